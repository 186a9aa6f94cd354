//! Many users do whatever they like, all at once and on several loops: in the end everyone was told what is true (R6.3,
//! R6.6), whatever was on its way when connections went and lists changed. The stories are random, and the same in
//! every run.

mod support;

use std::collections::{BTreeSet, HashMap};

use presence::status::Version;
use presence_protocol::message::{KnownUser, LoginReply, LoginRequest, Request, ServerMessage, UserStatus};
use support::{Event, Kind, TestClient, TestNode, settings};

const USERS: usize = 8;
const ROUNDS: usize = 40;
const SEEDS: u64 = 20;

stories!(everyone_is_told_what_is_true_in_the_end);

/// A small generator of its own, so that a story depends on its seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}

/// A user with one device, which remembers as a client does what it was told.
struct Actor {
    name: String,
    client: TestClient,
    login: LoginReply,
    list: BTreeSet<String>,
    told: HashMap<String, UserStatus>,
}

fn name_of(number: usize) -> String {
    format!("user-{number}")
}

impl Actor {
    async fn log_in(node: &TestNode, name: &str) -> Actor {
        let (client, login, own) = node.login_with(node.login_request(name)).await;
        let mut actor = Actor {
            name: name.to_owned(),
            client,
            list: login
                .subscriptions
                .user_ids
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
            login,
            told: HashMap::new(),
        };
        actor.tell(own);
        actor
    }

    /// R6.5: what is not newer is dropped.
    fn tell(&mut self, user: UserStatus) {
        let is_news = self
            .told
            .get(&user.user_id)
            .is_none_or(|told| told.version < user.version);
        if user.code == 0 && is_news {
            self.told.insert(user.user_id.clone(), user);
        }
    }

    fn use_event(&mut self, event: Event) {
        match event {
            Event::Message(ServerMessage::Push(changes)) => {
                changes.into_iter().for_each(|change| self.tell(change))
            }
            Event::Message(ServerMessage::SubscriptionsChanged(changed)) => {
                for gone in changed.removed.iter().chain(&changed.evicted) {
                    self.list.remove(gone);
                    self.told.remove(gone);
                }
                self.list.extend(changed.added);
            }
            other => panic!("{}: {other:?}", self.name),
        }
    }

    async fn reply_to(&mut self, id: u64) -> Vec<UserStatus> {
        loop {
            match self.client.next().await {
                Event::Message(ServerMessage::Reply(reply)) => {
                    assert_eq!((reply.request_id, reply.code), (id, 0), "{}", reply.message);
                    return reply.users;
                }
                event => self.use_event(event),
            }
        }
    }

    /// The connection goes, and the device comes back with what it knows.
    async fn reconnect(self, node: &TestNode) -> Actor {
        let request = LoginRequest {
            session: Some(self.login.session),
            known: self
                .told
                .values()
                .map(|user| KnownUser {
                    user_id: user.user_id.clone(),
                    version: Version(user.version),
                    online: user.status == 1,
                })
                .collect(),
            ..node.login_request(&self.name)
        };
        drop(self.client);
        let (client, login, own) = node.login_with(request).await;
        let list: BTreeSet<String> = login
            .subscriptions
            .user_ids
            .clone()
            .expect("it named no list")
            .into_iter()
            .collect();
        let mut actor = Actor {
            client,
            login,
            ..self
        };
        actor
            .told
            .retain(|user, _| list.contains(user) || *user == actor.name);
        actor.list = list;
        actor.tell(own);
        actor
    }
}

async fn everyone_is_told_what_is_true_in_the_end(kind: Kind) {
    for seed in 1..=SEEDS {
        story(
            &kind.node(settings()),
            Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        )
        .await;
    }
}

async fn story(node: &TestNode, mut random: Random) {
    let mut actors = Vec::new();
    for number in 0..USERS {
        actors.push(Actor::log_in(node, &name_of(number)).await);
    }
    for round in 0..ROUNDS {
        // Everyone asks for something at once; then all take their answers.
        let mut asked = Vec::new();
        for actor in &mut actors {
            let others: Vec<String> = (0..1 + random.below(3))
                .map(|_| name_of(random.below(USERS)))
                .filter(|user| *user != actor.name)
                .collect();
            let request = match random.below(10) {
                0..4 => Request::SetSelfStatus {
                    custom_status: format!("{round}"),
                },
                4..7 if !others.is_empty() => Request::Subscribe { user_ids: others },
                7 if !others.is_empty() => Request::Unsubscribe { user_ids: others },
                8 if round % 8 == 0 => Request::Unsubscribe { user_ids: Vec::new() },
                _ => Request::GetUserStatus {
                    user_ids: vec![actor.name.clone()],
                },
            };
            let tells = matches!(request, Request::Subscribe { .. });
            asked.push((actor.client.send(request).await, tells));
        }
        for (actor, (id, tells)) in actors.iter_mut().zip(asked) {
            let users = actor.reply_to(id).await;
            if tells {
                users.into_iter().for_each(|user| actor.tell(user));
            }
        }
        if random.below(3) == 0 {
            let actor = actors.swap_remove(random.below(USERS));
            actors.push(if random.below(3) == 0 {
                let name = actor.name.clone();
                drop(actor);
                Actor::log_in(node, &name).await
            } else {
                actor.reconnect(node).await
            });
        }
    }
    for actor in &mut actors {
        let mut users: Vec<String> = actor.list.iter().cloned().collect();
        users.push(actor.name.clone());
        let id = actor
            .client
            .send(Request::GetUserStatus { user_ids: users })
            .await;
        for truth in actor.reply_to(id).await {
            // It may have left the list with the last unsubscribe, whose event came before this reply.
            if truth.user_id != actor.name && !actor.list.contains(&truth.user_id) {
                continue;
            }
            // What it has not heard by now is on its way.
            while actor
                .told
                .get(&truth.user_id)
                .is_none_or(|told| told.version < truth.version)
            {
                let event = actor.client.next().await;
                actor.use_event(event);
            }
            let told = &actor.told[&truth.user_id];
            let shown = |user: &UserStatus| (user.version, user.status, user.custom_status.clone());
            assert_eq!(
                shown(told),
                shown(&truth),
                "{} was told this of {}",
                actor.name,
                truth.user_id
            );
        }
    }
}
