//! What must not compile, each case beside a twin that does, so that a case cannot fail for the wrong
//! reason. Only doc tests see this module.

/// Data that may not cross threads keeps its gate on its thread, and `Send` is all that is asked for.
///
/// ```
/// use pool_gate::*;
/// fn send<T: Send>(_: T) {}
/// fn share<T: Sync>(_: T) {}
/// let gate = Gate::new(std::cell::Cell::new(0));
/// send(gate.claim().unwrap());
/// share(&gate);
/// send(gate);
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// share(pool_gate::Gate::new(std::rc::Rc::new(0)));
/// ```
///
/// ```compile_fail,E0277
/// fn share<T: Sync>(_: T) {}
/// let lock = std::sync::Mutex::new(0);
/// share(pool_gate::Gate::new(lock.lock().unwrap()));
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let gate = pool_gate::Gate::new(std::rc::Rc::new(0));
/// send(gate.claim().unwrap());
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(pool_gate::Gate::new(std::rc::Rc::new(0)));
/// ```
mod data_that_is_not_send {}

/// The owner's stay belongs to its thread.
///
/// ```
/// let gate = pool_gate::Gate::new(0);
/// let mut owner = gate.claim().unwrap();
/// std::thread::scope(|scope| {
///     scope.spawn(|| drop(owner.enter()));
/// });
/// ```
///
/// ```compile_fail,E0277
/// let gate = pool_gate::Gate::new(0);
/// let mut owner = gate.claim().unwrap();
/// let inside = owner.enter();
/// std::thread::scope(|scope| {
///     scope.spawn(|| drop(inside));
/// });
/// ```
mod inside_stays_on_its_thread {}

/// One stay at a time, one visit at a time, and none without a claim or a barrier.
///
/// ```
/// let gate = pool_gate::Gate::new(0);
/// let mut owner = gate.claim().unwrap();
/// drop(owner.enter());
/// drop(owner.enter());
/// ```
///
/// ```compile_fail,E0499
/// let gate = pool_gate::Gate::new(0);
/// let mut owner = gate.claim().unwrap();
/// let first = owner.enter();
/// let second = owner.enter();
/// drop(first);
/// ```
///
/// ```compile_fail,E0133
/// let gate = pool_gate::Gate::new(0);
/// drop(gate.enter());
/// ```
///
/// ```no_run
/// use pool_gate::*;
/// fn twice(mut visits: Visits, gate: &Gate<u8>) {
///     drop(visits.enter(gate));
///     drop(visits.enter(gate));
///     visits.restore(gate);
/// }
/// ```
///
/// ```compile_fail,E0499
/// use pool_gate::*;
/// fn twice(mut visits: Visits, gate: &Gate<u8>) {
///     let first = visits.enter(gate);
///     drop(visits.enter(gate));
///     drop(first);
/// }
/// ```
///
/// ```compile_fail,E0499
/// use pool_gate::*;
/// fn opened_under_the_visitor(mut visits: Visits, gate: &Gate<u8>) {
///     let visit = visits.enter(gate);
///     visits.restore(gate);
///     drop(visit);
/// }
/// ```
///
/// ```compile_fail,E0423
/// let pair = pool_gate::Asymmetric(());
/// ```
mod one_at_a_time {}

/// A sweep that has issued its barrier revokes no further gate.
///
/// ```no_run
/// use pool_gate::*;
/// fn in_order(sweep: Sweep, gate: &Gate<u8>) {
///     sweep.revoke(gate);
///     let visits = sweep.heavy();
/// }
/// ```
///
/// ```compile_fail,E0382
/// use pool_gate::*;
/// fn out_of_order(sweep: Sweep, gate: &Gate<u8>) {
///     let visits = sweep.heavy();
///     sweep.revoke(gate);
/// }
/// ```
mod barrier_after_revocation {}

/// What a gate, an owner, a stay or a visit holds is neither lengthened nor shortened in life: all are invariant.
///
/// ```
/// fn same<'a>(gate: pool_gate::Gate<&'a str>) -> pool_gate::Gate<&'a str> {
///     gate
/// }
/// ```
///
/// ```compile_fail
/// fn shorter<'a>(gate: pool_gate::Gate<&'static str>) -> pool_gate::Gate<&'a str> {
///     gate
/// }
/// ```
///
/// ```
/// fn same<'g, 'a>(owner: pool_gate::Owner<'g, &'a str>) -> pool_gate::Owner<'g, &'a str> {
///     owner
/// }
/// ```
///
/// ```compile_fail
/// fn shorter<'g, 'a>(owner: pool_gate::Owner<'g, &'static str>) -> pool_gate::Owner<'g, &'a str> {
///     owner
/// }
/// ```
///
/// ```
/// fn same<'g, 'a>(inside: pool_gate::Inside<'g, &'a str>) -> pool_gate::Inside<'g, &'a str> {
///     inside
/// }
/// ```
///
/// ```compile_fail
/// fn shorter<'g, 'a>(inside: pool_gate::Inside<'g, &'static str>) -> pool_gate::Inside<'g, &'a str> {
///     inside
/// }
/// ```
///
/// ```
/// fn same<'g, 'a>(visit: pool_gate::Visit<'g, &'a str>) -> pool_gate::Visit<'g, &'a str> {
///     visit
/// }
/// ```
///
/// ```compile_fail
/// fn shorter<'g, 'a>(visit: pool_gate::Visit<'g, &'static str>) -> pool_gate::Visit<'g, &'a str> {
///     visit
/// }
/// ```
mod variance {}
