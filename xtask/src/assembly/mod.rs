//! Assembly text, as the compiler writes it: its functions, and where their instructions lead.
//!
//! - [`machine`] knows the instructions;
//! - [`gate`] follows the owner of a thread cache through its gate.

pub(crate) mod gate;
pub(crate) mod machine;

use std::collections::{BTreeMap, BTreeSet};

use machine::Machine;

/// Assembly text, by function.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) machine: Machine,
    pub(crate) functions: BTreeMap<String, Function>,
}

#[derive(Debug, Default)]
pub(crate) struct Function {
    machine: Machine,
    /// In the section where the compiler puts functions that are seldom called.
    pub(crate) cold: bool,
    /// Instructions, in order.
    pub(crate) code: Vec<String>,
    /// Where in `code` the local labels stand.
    labels: BTreeMap<String, usize>,
}

impl Program {
    pub(crate) fn of(machine: Machine) -> Self {
        Self {
            machine,
            functions: BTreeMap::new(),
        }
    }

    /// Adds the functions of one file.
    pub(crate) fn add(&mut self, text: &str) {
        let machine = self.machine;
        let mut section = String::new();
        let mut functions: BTreeSet<&str> = BTreeSet::new();
        let mut current: Option<(String, Function)> = None;
        for line in text.lines() {
            let line = line.split(machine.comment()).next().unwrap_or_default();
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if let Some(label) = line.strip_suffix(':') {
                if functions.contains(label) {
                    let cold = section.starts_with(".text.unlikely");
                    current = Some((
                        label.to_owned(),
                        Function {
                            machine,
                            cold,
                            ..Function::default()
                        },
                    ));
                } else if let Some((_, function)) = &mut current {
                    function
                        .labels
                        .insert(label.to_owned(), function.code.len());
                }
            } else if let Some(directive) = line.strip_prefix('.') {
                let (name, rest) = directive
                    .split_once(char::is_whitespace)
                    .unwrap_or((directive, ""));
                match name {
                    "section" => {
                        let name = rest.split(',').next().unwrap_or_default();
                        section = name.trim().trim_matches('"').to_owned();
                    }
                    "text" => section = ".text".to_owned(),
                    "type" => {
                        if let Some((name, "@function")) = rest.split_once(',') {
                            functions.insert(name);
                        }
                    }
                    "cfi_endproc" => {
                        if let Some((name, function)) = current.take() {
                            self.functions.entry(name).or_insert(function);
                        }
                    }
                    _ => {}
                }
            } else if let Some((_, function)) = &mut current {
                function.code.push(line.to_owned());
            }
        }
    }
}

/// Where a call or a jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'f> {
    /// Inside its function.
    Here(usize),
    /// Into a function.
    Function(&'f str),
    /// Through a pointer.
    Unknown,
}

impl Function {
    /// Where the instruction leads besides the next one, and whether it can lead to that.
    pub(crate) fn after(&self, at: usize) -> (Option<Place<'_>>, bool) {
        let text = &self.code[at];
        let place = self.machine.lead(text).map(|lead| match lead.target {
            Some(name) => match self.labels.get(name) {
                Some(label) => Place::Here(*label),
                None => Place::Function(name),
            },
            None => Place::Unknown,
        });
        (place, !self.machine.ends(text))
    }

    /// Whether the instruction jumps under a condition.
    pub(crate) fn is_conditional(&self, at: usize) -> bool {
        let lead = self.machine.lead(&self.code[at]);
        lead.is_some_and(|lead| lead.is_conditional)
    }

    /// Whether the instruction returns.
    pub(crate) fn is_return(&self, at: usize) -> bool {
        self.machine.is_return(&self.code[at])
    }
}
