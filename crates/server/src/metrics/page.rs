//! docs/METRICS.md, made from the table. After a change: `TIM_UPDATE=1 cargo test -p tim-presence-server metrics`.

const HEAD: &str = "\
# Metrics

`GET /metrics` on the listener of the administration (`admin_listen`) answers in Prometheus' text format, without
authentication: to this machine, or to whoever reaches the listener with `metrics_from = \"anywhere\"`. No metric names a user.
Counters rise from the start of the server. What to watch and when to be woken is in [OPERATIONS.md](OPERATIONS.md).

<!-- Made from crates/server/src/metrics/table.rs: TIM_UPDATE=1 cargo test -p tim-presence-server metrics -->

| metric | kind | labels | what it says |
|---|---|---|---|
";

#[test]
fn the_page_of_metrics_is_that_of_the_table() {
    let mut page = HEAD.to_owned();
    for metric in super::table::ALL {
        let row = format!(
            "| `{}` | {} | {} | {} |\n",
            metric.name,
            metric.kind.name(),
            metric.labels,
            metric.help
        );
        page.push_str(&row);
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/METRICS.md");
    if std::env::var_os("TIM_UPDATE").is_some() {
        std::fs::write(&path, &page).expect("docs/METRICS.md is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/METRICS.md is stale: run TIM_UPDATE=1 cargo test -p tim-presence-server metrics"
    );
}
