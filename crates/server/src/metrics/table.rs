//! All metrics in one table: their names, kinds and meanings. The answer and docs/METRICS.md are made from it.

/// What kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It rises from the start of the server.
    Counter,
    /// Counters by class, with their sum.
    Histogram,
}

impl Kind {
    /// As Prometheus names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels, and what values they have: for docs/METRICS.md.
    #[cfg(test)]
    pub labels: &'static str,
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal [$labels:literal] $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &Metric = &Metric {
            name: $name,
            kind: Kind::$kind,
            #[cfg(test)]
            labels: $labels,
            help: $help,
        };)*
        /// All of them, in the order of the page.
        #[cfg(test)]
        pub const ALL: &[&Metric] = &[$($constant,)*];
    };
}

metrics! {
    INFO Gauge "tim_presence_info" ["version"] "1, with the version of the server.";
    CONNECTIONS Gauge "tim_presence_connections" [""] "Connections open now, those that have not logged in included.";
    DEVICES Gauge "tim_presence_devices" [""] "Devices that are logged in and connected now.";
    USERS Gauge "tim_presence_users" [""] "Users with such a device now.";
    WATCHED Gauge "tim_presence_watched_users" [""] "Users whom somebody connected watches now; with several loops, once for each loop.";
    ACCEPTED Counter "tim_presence_connections_accepted_total" [""] "Connections accepted.";
    REFUSED Counter "tim_presence_connections_refused_total" ["limit: the setting that refused it"] "Connections closed as they came.";
    CLOSED Counter "tim_presence_connections_closed_total" ["reason: link, silent (R2.6), slow (R8.10), no_login, protocol"] "Connections that ended without a last word of the server.";
    LOGINS Counter "tim_presence_logins_total" ["result: ok, refused"] "Logins, reconnects included. Codes of refusals are in tim_presence_requests_total.";
    REQUESTS Counter "tim_presence_requests_total" ["request, code: 0, or as in ERRORS.md; 7008 is the rate limit"] "Replies to clients.";
    CHANGES Counter "tim_presence_changes_total" [""] "Changes of status or custom status.";
    DELIVERIES Counter "tim_presence_deliveries_total" [""] "Changes put into the outboxes of connections, one for each device that is told.";
    MERGED Counter "tim_presence_deliveries_merged_total" [""] "Deliveries that a newer one took the place of in a full outbox (R6.3).";
    TURNS Histogram "tim_presence_turn_duration_seconds" ["le"] "Turns of the loops, by how long they took: the delay that the server itself adds.";
    WEBHOOK_WAITING Gauge "tim_presence_webhook_waiting" [""] "Webhook events that wait to be sent now, of at most 100000.";
    WEBHOOK_EVENTS Counter "tim_presence_webhook_events_total" ["result: delivered, given_up, dropped"] "Webhook events that are done with.";
    WEBHOOK_RETRIES Counter "tim_presence_webhook_retries_total" [""] "Attempts to send a webhook event that failed and were to be made again.";
    STORE_FAILING Gauge "tim_presence_store_failing" [""] "1 while the store cannot write, else 0. Absent without a store, like the others of the store.";
    STORE_COMMITS Counter "tim_presence_store_commits_total" [""] "Commits of the store.";
    STORE_RECORDS Counter "tim_presence_store_records_total" [""] "Records written by them.";
    STORE_SECONDS Counter "tim_presence_store_commit_seconds_total" [""] "Time that commits took.";
    STORE_SECONDS_MAX Gauge "tim_presence_store_commit_seconds_max" [""] "The longest commit so far.";
    PROCESS_CPU Counter "process_cpu_seconds_total" [""] "User and system CPU time of the process.";
    PROCESS_MEMORY Gauge "process_resident_memory_bytes" [""] "Memory of the process that is resident.";
    PROCESS_FDS Gauge "process_open_fds" [""] "File descriptors open now.";
    PROCESS_FDS_MAX Gauge "process_max_fds" [""] "File descriptors that may be open.";
    PROCESS_START Gauge "process_start_time_seconds" [""] "When the server began, in seconds since the epoch.";
}
