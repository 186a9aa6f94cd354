//! The tool as its users run it: every scenario, small, against the floors. The scenarios check what they count; here
//! it matters that all of them end well, and that a run that cannot be made says so.

use std::process::{Command, Output};

fn load(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tim-presence-load"))
        .args(arguments.split_whitespace())
        .output()
        .expect("the tool starts")
}

/// Runs against both floors and returns the report.
fn report(scenario: &str) -> serde_json::Value {
    let name = scenario
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("_")
        .replace('/', "_");
    let file = std::env::temp_dir().join(format!(
        "tim-presence-load-test-{}-{name}.json",
        std::process::id()
    ));
    let arguments = format!(
        "{scenario} --servers floor-each,floor-batch --rounds 2 --json {}",
        file.display()
    );
    let output = load(&arguments);
    assert!(
        output.status.success(),
        "{scenario}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("| floor-batch |"), "{table}");
    let text = std::fs::read_to_string(&file).expect("written");
    std::fs::remove_file(&file).expect("it is ours");
    serde_json::from_str(&text).expect("JSON")
}

/// The figure of that name in every run: all of them are there and above zero.
fn figures(report: &serde_json::Value, name: &str) -> Vec<f64> {
    let runs = report["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 4, "two rounds of two servers");
    let values = runs.iter().map(|run| {
        let figures = run["figures"].as_array().expect("figures");
        let figure = figures
            .iter()
            .find(|figure| figure["name"] == name)
            .expect("the figure");
        figure["value"].as_f64().expect("a number")
    });
    let values: Vec<f64> = values.collect();
    assert!(values.iter().all(|value| *value > 0.0), "{name}: {values:?}");
    values
}

#[test]
fn fan_out_saturated_reaches_every_watcher() {
    let report = report("fan-out --publishers 3 --watchers 5 --seconds 0.2");
    figures(&report, "deliveries/s");
    assert_eq!(report["base"], "floor-each");
}

#[test]
fn fan_out_at_a_rate_keeps_to_it() {
    let report = report("fan-out --publishers 2 --watchers 4 --shared --rate 400 --seconds 1 --merging");
    for rate in figures(&report, "deliveries/s") {
        // Saturated it would be a hundred times that. A stalled machine lets it catch up, at most a warm-up's worth.
        assert!(rate < 1_000.0, "{rate}");
    }
}

#[test]
fn idle_connections_are_counted_in_memory() {
    figures(
        &report("idle --connections 300 --subscriptions 3 --seconds 0.1"),
        "RSS MiB",
    );
}

#[test]
fn a_login_storm_ends_when_everyone_knows() {
    let report = report("login-storm --connections 200 --subscriptions 7");
    let logged_in = figures(&report, "seconds until all logged in");
    let know = figures(&report, "seconds until all know");
    assert!(
        logged_in
            .iter()
            .zip(&know)
            .all(|(logged_in, know)| logged_in <= know)
    );
}

#[test]
fn a_login_storm_can_be_held_back() {
    figures(
        &report("login-storm --connections 100 --at-once 5"),
        "server µs/login",
    );
}

#[test]
fn a_loss_storm_reaches_every_watcher() {
    figures(&report("loss-storm --lost 100 --watchers 7"), "ms until all told");
}

#[test]
fn queries_are_answered_while_statuses_change() {
    let scenario = "query --accounts 3000 --online 100 --users 500 --changes 200 --seconds 0.5";
    let report = report(scenario);
    figures(&report, "queries/s");
    figures(&report, "changes/s");
}

#[test]
fn queries_at_a_rate_keep_to_it() {
    let report = report("query --accounts 600 --online 10 --rate 50 --seconds 1");
    for rate in figures(&report, "queries/s") {
        assert!(rate < 100.0, "{rate}");
    }
}

#[test]
fn churn_is_answered() {
    figures(
        &report("churn --connections 5 --held 20 --users 3 --seconds 0.2"),
        "calls/s",
    );
}

#[test]
fn a_celebrity_does_not_keep_its_bystander_waiting_forever() {
    let report = report("celebrity --watchers 300 --beside 3 --rate 500 --changes 3");
    figures(&report, "celebrity's last watcher ms");
    figures(&report, "beside p50 ms");
}

#[test]
fn calls_are_counted_for_each_delivery() {
    let library = std::env::temp_dir().join(format!("tim-presence-load-counting-{}.so", std::process::id()));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-fno-builtin"])
        .args(["-fno-tree-loop-distribute-patterns", "-o"])
        .arg(&library)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/counting/counting.c"))
        .status()
        .expect("a C compiler, which the bindings need too");
    assert!(built.success());
    let report = report(&format!(
        "fan-out --publishers 2 --watchers 10 --window 1 --seconds 0.2 --count {}",
        library.display()
    ));
    std::fs::remove_file(&library).expect("it is ours");
    // One change of each under way: nothing to gather, so that either floor writes each of ten deliveries, and two answers.
    for writes in figures(&report, "writes/delivery") {
        assert!((0.9..1.5).contains(&writes), "{writes}");
    }
    // A message has 64 bytes, and the floors copy it once for each watcher; unoptimised they copy much besides.
    for bytes in figures(&report, "bytes copied/delivery") {
        assert!((60.0..5_000.0).contains(&bytes), "{bytes}");
    }
}

#[test]
fn growth_gives_a_table_and_a_picture_for_each_series() {
    let folder = std::env::temp_dir().join(format!("tim-presence-load-plots-{}", std::process::id()));
    let output = load(&format!(
        "growth --series connections --connections-max 300 --seconds 0.1 --servers floor-batch --rounds 1 --plots {}",
        folder.display()
    ));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("| server | 100 | 300 |"), "{table}");
    let picture = std::fs::read_to_string(folder.join("connections.svg")).expect("written");
    std::fs::remove_dir_all(&folder).expect("it is ours");
    // Two points, and the legend.
    assert_eq!(picture.matches("class=\"f0\"").count(), 3, "{picture}");
}

#[test]
fn a_server_that_does_not_start_fails_the_run_and_is_named() {
    let output = load("fan-out --servers ours --server-binary /nonexistent --rounds 1 --seconds 0.1");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("without a result: ours"), "{error}");
}

#[test]
fn a_mistake_on_the_command_line_is_named_and_the_usage_is_there_for_the_asking() {
    let output = load("fan-out --warp 9");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("--warp") && told.contains("See tim-presence-load --help"),
        "{told}"
    );
    let output = load("--help");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("usage: tim-presence-load"));
}
