//! From measurements to offset, frequency and how sure they are. One filter serves the single
//! source and the merged survivors alike: it is run over the remembered measurements again
//! whenever one arrives, so that what was learnt since (a shorter round trip, the wander, a
//! source that turned out false) counts for the old ones too.

pub(crate) mod delays;
mod filter;
pub(crate) mod memory;
mod normal;
pub(crate) mod wander;

pub use filter::Observation;
pub use filter::State;

/// So many measurements in a row that contradict the state are right, and the state is not.
const LOST: usize = 6;

/// Runs the filter over observations ordered by time. `wander` is the variance that the frequency
/// gains in a second, `prior` frequency and its standard deviation at the first of them. Gives
/// the state at the last one and the logarithm of the evidence beyond the first few; nothing when
/// there is no observation. `watch` sees each index, the state after it and how far the model
/// held.
pub(crate) fn run(
    seen: &[Observation],
    wander: f64,
    prior: (f64, f64),
    mut watch: impl FnMut(usize, &State, f64),
) -> Option<(State, f64)> {
    let mut evidence = 0.0;
    let first = seen.first()?;
    let mut state = State::start(first, prior.0, prior.1);
    let mut strays = 0;
    let mut good = first.at;
    for (index, observation) in seen.iter().enumerate().skip(1) {
        state = state.moved_to(observation.at, wander);
        let (likelihood, trust) = state.update(observation);
        if trust < 0.5 {
            strays += 1;
        } else {
            strays = 0;
            good = observation.at;
        }
        if strays >= LOST {
            strays = 0;
            let within = observation.at.seconds_since(good);
            state.doubt(observation.offset - state.phase, within);
        }
        if index >= 4 {
            evidence += likelihood;
        }
        watch(index, &state, trust);
    }
    Some((state, evidence))
}
