//! Who stands in a drawing of a flow, and between whom a step travels: lanes are of those whom the harness plays, and the
//! services, who have none, stand between them.

use crate::flow::told::{Arrow, Lane, Role, Service};

const GATEWAY: &str = "API gateway";
const REDIS: &str = "Redis";
const WEBSOCKET: &str = "websocket service";

/// Where a step begins and ends, as indices of actors: the same for one that goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Where it begins.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
}

/// The actors of a flow with these lanes, from left to right: whoever asks, what is between, whoever gets.
pub fn actors(lanes: &[Lane]) -> Vec<String> {
    let of = |role: Role| lanes.iter().filter(move |lane| lane.role == role);
    let mut actors: Vec<String> = Vec::new();
    for role in [Role::Operator, Role::Caller] {
        actors.extend(of(role).map(|lane| lane.name.clone()));
    }
    let asks = |service: Service| {
        let mut steps = of(Role::Caller).flat_map(|lane| &lane.steps);
        steps.any(|step| step.service == Some(service))
    };
    if of(Role::StandIn).next().is_some() || asks(Service::Gateway) {
        actors.push(GATEWAY.to_owned());
    }
    for role in [Role::StandIn, Role::Backend] {
        actors.extend(of(role).map(|lane| lane.name.clone()));
    }
    if of(Role::Backend).next().is_some() {
        actors.push(REDIS.to_owned());
    }
    if of(Role::Client).next().is_some() || asks(Service::Websocket) {
        actors.push(WEBSOCKET.to_owned());
    }
    actors.extend(of(Role::Client).map(|lane| lane.name.clone()));
    let mut known: Vec<String> = Vec::new();
    for actor in actors {
        // The parts of a crowd that went different ways have one name.
        if !known.contains(&actor) {
            known.push(actor);
        }
    }
    known
}

/// Between which of `actors` the step of `lane` with this index travels.
pub fn ends(lane: &Lane, step: usize, actors: &[String]) -> Ends {
    let index = |name: &str| actors.iter().position(|actor| actor == name);
    let own = index(&lane.name).unwrap_or_default();
    let asked = || {
        let so_far = lane.steps.iter().take(step + 1);
        so_far.filter_map(|step| step.service).next_back()
    };
    let other = match lane.role {
        Role::Operator => None,
        Role::Caller if asked() == Some(Service::Websocket) => index(WEBSOCKET),
        Role::Caller | Role::StandIn => index(GATEWAY),
        Role::Backend => index(REDIS),
        Role::Client => index(WEBSOCKET),
    };
    let other = other.unwrap_or(own);
    match lane.steps.get(step).and_then(|step| step.arrow) {
        None => Ends { from: own, to: own },
        Some(Arrow::Out) => Ends {
            from: own,
            to: other,
        },
        Some(Arrow::In) => Ends {
            from: other,
            to: own,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::told::{Kind, Step};

    fn lane(name: &str, role: Role, steps: Vec<Step>) -> Lane {
        Lane {
            name: name.to_owned(),
            role,
            what: String::new(),
            steps,
        }
    }

    fn ask(service: Service) -> Step {
        Step {
            service: Some(service),
            ..Step::new(Kind::Request, Some(Arrow::Out), "GET /")
        }
    }

    #[test]
    fn services_stand_between_those_who_ask_and_those_who_get() {
        let answer = || Step::new(Kind::Response, Some(Arrow::In), "200 OK");
        let asked = vec![
            ask(Service::Gateway),
            answer(),
            ask(Service::Websocket),
            answer(),
        ];
        let arrived = Step::new(Kind::Request, Some(Arrow::In), "GET /");
        let publish = Step::new(Kind::Publish, Some(Arrow::Out), "PUBLISH");
        let lanes = [
            lane("teacher", Role::Caller, asked),
            lane("files", Role::StandIn, vec![arrived]),
            lane("backend", Role::Backend, vec![publish]),
            lane("teacher/1", Role::Client, Vec::new()),
        ];
        let actors = actors(&lanes);
        let expected = [
            "teacher",
            "API gateway",
            "files",
            "backend",
            "Redis",
            "websocket service",
            "teacher/1",
        ];
        assert_eq!(actors, expected);
        let ends = |lane: usize, step: usize| {
            let ends = ends(&lanes[lane], step, &actors);
            (ends.from, ends.to)
        };
        let steps = [ends(0, 0), ends(0, 1), ends(0, 2), ends(0, 3)];
        assert_eq!(steps, [(0, 1), (1, 0), (0, 5), (5, 0)]);
        assert_eq!((ends(1, 0), ends(2, 0)), ((1, 2), (3, 4)));
    }
}
