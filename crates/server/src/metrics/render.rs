//! The answer of `/metrics`.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;

use presence_node::{LATENCY_BUCKETS_US, LoopStatistics, RequestKind};

use super::process::Process;
use super::table::{self, Metric};
use crate::service::Service;

/// The text so far.
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, metric: &Metric) {
        let Metric { name, kind, help, .. } = metric;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", kind.name()));
    }

    fn line(&mut self, line: impl Display) {
        writeln!(self.text, "{line}").expect("a String grows");
    }

    /// A metric without labels.
    fn plain(&mut self, metric: &Metric, value: impl Display) {
        self.head(metric);
        self.line(format_args!("{} {value}", metric.name));
    }

    /// A metric with one label. Values are our own words: nothing in them needs escaping.
    fn by(&mut self, metric: &Metric, label: &str, values: &[(&str, u64)]) {
        self.head(metric);
        for (word, value) in values {
            self.line(format_args!("{}{{{label}=\"{word}\"}} {value}", metric.name));
        }
    }
}

/// All metrics of this moment.
pub fn render(service: &Service, loops: &[LoopStatistics]) -> String {
    let mut page = Page { text: String::new() };
    page.head(table::INFO);
    page.line(format_args!(
        "{}{{version=\"{}\"}} 1",
        table::INFO.name,
        env!("CARGO_PKG_VERSION")
    ));
    of_loops(&mut page, loops);
    of_webhooks(&mut page, service);
    of_store(&mut page, service);
    of_process(&mut page, service);
    page.text
}

fn of_loops(page: &mut Page, loops: &[LoopStatistics]) {
    let sum = |of: fn(&LoopStatistics) -> u64| loops.iter().map(of).sum::<u64>();
    page.plain(table::CONNECTIONS, sum(|of| of.connections));
    page.plain(table::DEVICES, sum(|of| of.devices));
    page.plain(table::USERS, sum(|of| of.users));
    page.plain(table::WATCHED, sum(|of| of.watched));
    page.plain(table::ACCEPTED, sum(|of| of.accepted));
    let refused = [
        ("connections_max", sum(|of| of.refused_full)),
        ("connections_per_address_max", sum(|of| of.refused_address_full)),
        ("accepts_per_address_max", sum(|of| of.refused_address_fast)),
    ];
    page.by(table::REFUSED, "limit", &refused);
    let closed = [
        ("link", sum(|of| of.closed_link)),
        ("silent", sum(|of| of.closed_silent)),
        ("slow", sum(|of| of.closed_slow)),
        ("no_login", sum(|of| of.closed_no_login)),
        ("protocol", sum(|of| of.closed_protocol)),
    ];
    page.by(table::CLOSED, "reason", &closed);
    let logins = [
        ("ok", sum(|of| of.logins)),
        ("refused", sum(|of| of.logins_refused)),
    ];
    page.by(table::LOGINS, "result", &logins);
    requests(page, loops);
    page.plain(table::CHANGES, sum(|of| of.changes));
    page.plain(table::DELIVERIES, sum(|of| of.deliveries));
    page.plain(table::MERGED, sum(|of| of.merged));
    turns(page, loops);
}

fn requests(page: &mut Page, loops: &[LoopStatistics]) {
    let mut all: BTreeMap<(RequestKind, i32), u64> = BTreeMap::new();
    for replies in loops.iter().flat_map(|of| &of.replies) {
        *all.entry((replies.kind, replies.code)).or_default() += replies.count;
    }
    page.head(table::REQUESTS);
    for ((kind, code), count) in all {
        let (name, kind) = (table::REQUESTS.name, kind.name());
        page.line(format_args!(
            "{name}{{request=\"{kind}\",code=\"{code}\"}} {count}"
        ));
    }
}

/// The classes of a histogram add up.
fn turns(page: &mut Page, loops: &[LoopStatistics]) {
    let name = table::TURNS.name;
    page.head(table::TURNS);
    let mut so_far = 0;
    for class in 0..=LATENCY_BUCKETS_US.len() {
        so_far += loops
            .iter()
            .filter_map(|of| of.turns_by_length.get(class))
            .sum::<u64>();
        match LATENCY_BUCKETS_US.get(class) {
            Some(end) => page.line(format_args!("{name}_bucket{{le=\"{}\"}} {so_far}", seconds(*end))),
            None => page.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {so_far}")),
        }
    }
    let us = loops.iter().map(|of| of.turns_us).sum::<u64>();
    page.line(format_args!("{name}_sum {}", seconds(us)));
    page.line(format_args!("{name}_count {so_far}"));
}

fn of_webhooks(page: &mut Page, service: &Service) {
    let webhooks = &service.operations.webhooks;
    page.plain(table::WEBHOOK_WAITING, webhooks.waiting());
    let events = [
        ("delivered", webhooks.delivered()),
        ("given_up", webhooks.given_up()),
        ("dropped", webhooks.dropped()),
    ];
    page.by(table::WEBHOOK_EVENTS, "result", &events);
    page.plain(table::WEBHOOK_RETRIES, webhooks.retried());
}

fn of_store(page: &mut Page, service: &Service) {
    let Some(store) = &service.operations.store else {
        return;
    };
    let failing = store.failing.load(Ordering::Relaxed);
    page.plain(table::STORE_FAILING, u8::from(failing));
    page.plain(table::STORE_COMMITS, store.commits.load(Ordering::Relaxed));
    page.plain(table::STORE_RECORDS, store.records.load(Ordering::Relaxed));
    page.plain(
        table::STORE_SECONDS,
        seconds(store.commit_us.load(Ordering::Relaxed)),
    );
    page.plain(
        table::STORE_SECONDS_MAX,
        seconds(store.commit_us_max.load(Ordering::Relaxed)),
    );
}

fn of_process(page: &mut Page, service: &Service) {
    if let Some(process) = Process::read() {
        page.plain(table::PROCESS_CPU, process.cpu_seconds);
        page.plain(table::PROCESS_MEMORY, process.resident_bytes);
        page.plain(table::PROCESS_FDS, process.open_fds);
        if let Some(most) = process.fds_max {
            page.plain(table::PROCESS_FDS_MAX, most);
        }
    }
    page.plain(table::PROCESS_START, service.started.wall_ms as f64 / 1e3);
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
