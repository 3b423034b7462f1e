//! In which order the steps of all lanes are drawn: as the harness recorded them. What arrived at a stand-in is recorded
//! only when the scenario asks for it, and is drawn within the call that led to it.

use super::told::{Kind, Lane, Role};

/// When a step was recorded: that moment, and for what was recorded later the moment itself.
type Moment = (usize, bool, usize);

/// A request and its response, by the moments in which they were recorded.
struct Exchange {
    asked: usize,
    answered: usize,
    used: bool,
}

/// Gives each step its place; `recorded` has the moment of each step of each lane.
pub(super) fn place(lanes: &mut [Lane], recorded: &[Vec<usize>]) {
    let mut calls = calls(lanes, recorded);
    let mut moments: Vec<Vec<Moment>> = (recorded.iter())
        .map(|lane| lane.iter().map(|at| (*at, true, 0)).collect())
        .collect();
    for (lane, steps) in arrivals(lanes, recorded) {
        let first = recorded[lane][steps[0]];
        let Some(call) = calls.iter_mut().find(|c| !c.used && c.answered < first) else {
            continue;
        };
        call.used = true;
        for step in steps {
            moments[lane][step] = (call.answered, false, recorded[lane][step]);
        }
    }
    let mut all: Vec<(Moment, usize, usize)> = Vec::new();
    for (lane, moments) in moments.iter().enumerate() {
        let mut latest = Moment::default();
        for (step, moment) in moments.iter().enumerate() {
            // Whatever was recorded when: within a lane its order holds.
            latest = latest.max(*moment);
            all.push((latest, lane, step));
        }
    }
    all.sort();
    for (place, (_, lane, step)) in all.into_iter().enumerate() {
        lanes[lane].steps[step].place = place + 1;
    }
}

/// The calls of callers that were answered, in order.
fn calls(lanes: &[Lane], recorded: &[Vec<usize>]) -> Vec<Exchange> {
    let mut calls = Vec::new();
    for (lane, recorded) in lanes.iter().zip(recorded) {
        let mut asked = None;
        for (step, at) in lane.steps.iter().zip(recorded) {
            match step.kind {
                Kind::Request if lane.role == Role::Caller => asked = Some(*at),
                Kind::Response if lane.role == Role::Caller => {
                    calls.extend(asked.take().map(|asked| Exchange {
                        asked,
                        answered: *at,
                        used: false,
                    }));
                }
                _ => {}
            }
        }
    }
    calls.sort_by_key(|call| call.asked);
    calls
}

/// The lane and the steps of each request that arrived at a stand-in, with its response, in the order of recording.
fn arrivals(lanes: &[Lane], recorded: &[Vec<usize>]) -> Vec<(usize, Vec<usize>)> {
    let mut arrivals: Vec<(usize, Vec<usize>)> = Vec::new();
    for (at, lane) in lanes.iter().enumerate() {
        if lane.role != Role::StandIn {
            continue;
        }
        for (number, step) in lane.steps.iter().enumerate() {
            match step.kind {
                Kind::Request => arrivals.push((at, vec![number])),
                Kind::Response => match arrivals.last_mut() {
                    Some((same, steps)) if *same == at => steps.push(number),
                    _ => {}
                },
                _ => {}
            }
        }
    }
    arrivals.sort_by_key(|(lane, steps)| recorded[*lane][steps[0]]);
    arrivals
}

#[cfg(test)]
mod tests {
    use super::super::told::{Arrow, Step};
    use super::*;

    fn lane(role: Role, steps: &[(Kind, &str)]) -> Lane {
        let steps = steps.iter();
        Lane {
            name: format!("{role:?}"),
            role,
            what: String::new(),
            steps: steps
                .map(|(kind, head)| Step::new(*kind, Some(Arrow::Out), *head))
                .collect(),
        }
    }

    fn drawn(mut lanes: Vec<Lane>, recorded: &[Vec<usize>]) -> Vec<String> {
        place(&mut lanes, recorded);
        let mut steps: Vec<Step> = lanes.into_iter().flat_map(|lane| lane.steps).collect();
        steps.sort_by_key(|step| step.place);
        steps.into_iter().map(|step| step.head).collect()
    }

    #[test]
    fn steps_are_drawn_as_they_were_recorded() {
        let backend = lane(Role::Backend, &[(Kind::Publish, "publish")]);
        let client = lane(
            Role::Client,
            &[(Kind::Request, "upgrade"), (Kind::Message, "receive")],
        );
        let order = drawn(vec![backend, client], &[vec![5], vec![2, 7]]);
        assert_eq!(order, ["upgrade", "publish", "receive"]);
    }

    #[test]
    fn what_arrived_at_a_stand_in_is_drawn_within_the_call_that_led_to_it() {
        let call = [(Kind::Request, "ask"), (Kind::Response, "answer")];
        let caller = lane(Role::Caller, &[call, call].concat());
        let arrived = [(Kind::Request, "arrived"), (Kind::Response, "answered")];
        let standin = lane(Role::StandIn, &[arrived, arrived].concat());
        let order = drawn(vec![standin, caller], &[vec![5, 6, 7, 8], vec![1, 2, 3, 4]]);
        let once = ["ask", "arrived", "answered", "answer"];
        assert_eq!(order, [once, once].concat());
    }
}
