//! What must not compile, each beside a twin that does and differs in the one thing that is wrong.
//!
//! # Items that cannot be sent
//!
//! A pool of them stays on its thread:
//!
//! ```compile_fail,E0277
//! let pool = pool_core::Pool::new(|| std::rc::Rc::new(0));
//! std::thread::spawn(move || drop(pool.take()));
//! ```
//!
//! ```
//! let pool = pool_core::Pool::new(|| std::sync::Arc::new(0));
//! std::thread::spawn(move || drop(pool.take()));
//! ```
//!
//! Also when they can be shared, for a pool hands items over and does not lend them to two at once:
//!
//! ```compile_fail,E0277
//! use std::sync::{Mutex, MutexGuard};
//! static MUTEX: Mutex<u8> = Mutex::new(0);
//! let pool = pool_core::Pool::new(|| MUTEX.lock().unwrap());
//! std::thread::scope(|s| {
//!     s.spawn(|| drop(pool.take()));
//! });
//! ```
//!
//! ```
//! use std::sync::{Mutex, MutexGuard};
//! static MUTEX: Mutex<u8> = Mutex::new(0);
//! let pool = pool_core::Pool::new(|| &MUTEX);
//! std::thread::scope(|s| {
//!     s.spawn(|| drop(pool.take().lock()));
//! });
//! ```
//!
//! Nor does an owned guard take one along:
//!
//! ```compile_fail,E0277
//! let pool = std::sync::Arc::new(pool_core::Pool::new(|| std::rc::Rc::new(0)));
//! let guard = pool.get_owned();
//! std::thread::spawn(move || drop(guard));
//! ```
//!
//! ```
//! let pool = std::sync::Arc::new(pool_core::Pool::new(|| std::sync::Arc::new(0)));
//! let guard = pool.get_owned();
//! std::thread::spawn(move || drop(guard));
//! ```
//!
//! # Items that cannot be shared
//!
//! Their pool can be, their guards cannot, borrowed or owned:
//!
//! ```compile_fail,E0277
//! use std::cell::Cell;
//! let pool = pool_core::Pool::new(|| Cell::new(0));
//! let guard = pool.get();
//! std::thread::scope(|s| {
//!     s.spawn(|| guard.set(1));
//! });
//! ```
//!
//! ```
//! use std::sync::atomic::{AtomicU8, Ordering};
//! let pool = pool_core::Pool::new(|| AtomicU8::new(0));
//! let guard = pool.get();
//! std::thread::scope(|s| {
//!     s.spawn(|| guard.store(1, Ordering::Relaxed));
//! });
//! ```
//!
//! ```compile_fail,E0277
//! use std::cell::Cell;
//! let pool = std::sync::Arc::new(pool_core::Pool::new(|| Cell::new(0)));
//! let guard = pool.get_owned();
//! std::thread::scope(|s| {
//!     s.spawn(|| guard.set(1));
//! });
//! ```
//!
//! ```
//! use std::cell::Cell;
//! let pool = std::sync::Arc::new(pool_core::Pool::new(|| Cell::new(0)));
//! let guard = pool.get_owned();
//! std::thread::scope(|s| {
//!     s.spawn(move || guard.set(1));
//! });
//! ```
//!
//! # User code that cannot be sent or shared
//!
//! The constructor is called on any thread that shares the pool:
//!
//! ```compile_fail,E0277
//! let count = std::cell::Cell::new(0);
//! let pool = pool_core::Pool::new(|| count.replace(count.get() + 1));
//! std::thread::scope(|s| {
//!     s.spawn(|| _ = pool.take());
//! });
//! ```
//!
//! ```
//! let count = std::sync::atomic::AtomicU8::new(0);
//! let pool = pool_core::Pool::new(|| count.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
//! std::thread::scope(|s| {
//!     s.spawn(|| _ = pool.take());
//! });
//! ```
//!
//! and moves with it:
//!
//! ```compile_fail,E0277
//! let seed = std::rc::Rc::new(1);
//! let pool = pool_core::Pool::new(move || *seed);
//! std::thread::spawn(move || _ = pool.take());
//! ```
//!
//! ```
//! let seed = std::sync::Arc::new(1);
//! let pool = pool_core::Pool::new(move || *seed);
//! std::thread::spawn(move || _ = pool.take());
//! ```
//!
//! So are the hooks:
//!
//! ```compile_fail,E0277
//! use pool_core::{Pool, Recycle};
//! let count = std::cell::Cell::new(0);
//! let pool = Pool::builder(|| 0).recycle(move |_| {
//!     count.set(count.get() + 1);
//!     Recycle::Keep
//! });
//! ```
//!
//! ```
//! use pool_core::{Pool, Recycle};
//! let count = std::sync::atomic::AtomicU8::new(0);
//! let pool = Pool::builder(|| 0).recycle(move |_| {
//!     count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
//!     Recycle::Keep
//! });
//! ```
//!
//! # Use after put
//!
//! Go's `TestRacePool` writes to an item that it has put back, and its race detector has to notice:
//!
//! ```compile_fail,E0382
//! let pool = pool_core::Pool::new(|| vec![0; 10]);
//! let mut x = pool.take();
//! x[0] = 1;
//! pool.put(x);
//! x[0] = 3;
//! ```
//!
//! ```
//! let pool = pool_core::Pool::new(|| vec![0; 10]);
//! let mut x = pool.take();
//! x[0] = 1;
//! x[0] = 3;
//! pool.put(x);
//! ```
//!
//! Putting twice is the same mistake:
//!
//! ```compile_fail,E0382
//! let pool = pool_core::Pool::new(Vec::<u8>::new);
//! let x = pool.take();
//! pool.put(x);
//! pool.put(x);
//! ```
//!
//! ```
//! let pool = pool_core::Pool::new(Vec::<u8>::new);
//! let x = pool.take();
//! pool.put(x.clone());
//! pool.put(x);
//! ```
//!
//! A guard that gave its item away is gone:
//!
//! ```compile_fail,E0382
//! use pool_core::{Pool, Pooled};
//! let pool = Pool::new(Vec::<u8>::new);
//! let guard = pool.get();
//! let item = Pooled::detach(guard);
//! assert!(guard.is_empty());
//! ```
//!
//! ```
//! use pool_core::{Pool, Pooled};
//! let pool = Pool::new(Vec::<u8>::new);
//! let guard = pool.get();
//! assert!(guard.is_empty());
//! let item = Pooled::detach(guard);
//! ```
//!
//! # Lifetimes
//!
//! A pool outlives its borrowed guards:
//!
//! ```compile_fail,E0505
//! let pool = pool_core::Pool::new(Vec::<u8>::new);
//! let guard = pool.get();
//! drop(pool);
//! assert!(guard.is_empty());
//! ```
//!
//! ```
//! let pool = std::sync::Arc::new(pool_core::Pool::new(Vec::<u8>::new));
//! let guard = pool.get_owned();
//! drop(pool);
//! assert!(guard.is_empty());
//! ```
//!
//! A guard outlives what is borrowed from its item:
//!
//! ```compile_fail,E0505
//! let pool = pool_core::Pool::new(|| vec![1]);
//! let guard = pool.get();
//! let first = &guard[0];
//! drop(guard);
//! assert_eq!(*first, 1);
//! ```
//!
//! ```
//! let pool = pool_core::Pool::new(|| vec![1]);
//! let guard = pool.get();
//! let first = &guard[0];
//! assert_eq!(*first, 1);
//! drop(guard);
//! ```
//!
//! What the items borrow outlives the pool, which has destructors to run:
//!
//! ```compile_fail,E0597
//! let pool = pool_core::Pool::new(|| "");
//! {
//!     let text = String::from("short-lived");
//!     pool.put(&text);
//! }
//! ```
//!
//! ```
//! let text = String::from("long-lived");
//! let pool = pool_core::Pool::new(|| "");
//! {
//!     pool.put(&text);
//! }
//! ```
//!
//! An item lent is lent to one:
//!
//! ```compile_fail,E0499
//! let pool = pool_core::Pool::new(|| 0);
//! let mut guard = pool.get();
//! let (a, b): (&mut u8, &mut u8) = (&mut guard, &mut guard);
//! *a += *b;
//! ```
//!
//! ```
//! let pool = pool_core::Pool::new(|| 0);
//! let (mut one, mut other) = (pool.get(), pool.get());
//! let (a, b): (&mut u8, &mut u8) = (&mut one, &mut other);
//! *a += *b;
//! ```
