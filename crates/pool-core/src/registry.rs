//! The pools that `rotate_all` turns. Only pools that live as long as the process, or say when they do
//! not, can be in it.
