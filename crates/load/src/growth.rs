//! Growth: scenarios in a row that differ in one number, so that one sees how cost grows with it; as tables and plots.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::plot::{Line, Plot};
use crate::report::{Machine, Report};
use crate::scenario::Scenario;
use crate::scenario::fan_out::FanOut;
use crate::scenario::idle::Idle;
use crate::statistics::Spread;

/// Which series to measure, and how.
#[derive(Debug, Clone)]
pub struct Growth {
    /// Where pictures are written; `None`: nowhere.
    pub plots: Option<PathBuf>,
    /// Names of series, all of them known.
    chosen: Vec<String>,
    /// Points that need more are left out: a process may have only so many open files.
    pub connections_max: usize,
    /// Of each run.
    pub measured: Duration,
}

impl Default for Growth {
    fn default() -> Growth {
        Growth {
            plots: None,
            chosen: NAMES.map(str::to_owned).to_vec(),
            connections_max: 10_000,
            measured: Duration::from_secs(1),
        }
    }
}

const NAMES: [&str; 4] = ["watchers", "connections", "memory", "changes"];

/// One number grows, the rest stays.
pub struct Series {
    /// As on the command line, and of the picture's file.
    pub name: &'static str,
    title: String,
    x_label: &'static str,
    /// Which figure of the scenario is looked at.
    figure: &'static str,
    y_label: &'static str,
    /// What grows, and the scenario with that much of it; rising.
    points: Vec<(f64, Box<dyn Scenario>)>,
}

impl Growth {
    /// Takes only these series, separated by commas.
    pub fn choose(&mut self, list: &str) -> Result<(), String> {
        self.chosen = list.split(',').map(str::to_owned).collect();
        match self.chosen.iter().find(|name| !NAMES.contains(&name.as_str())) {
            Some(unknown) => Err(format!("no series is called '{unknown}'")),
            None => Ok(()),
        }
    }

    /// The series chosen, each without what needs too many connections.
    pub fn series(&self) -> Vec<Series> {
        let all = [self.watchers(), self.connections(), self.memory(), self.changes()];
        let chosen = |series: &Series| self.chosen.iter().any(|name| name == series.name);
        all.into_iter().filter(chosen).collect()
    }

    /// `measure` makes all runs of a scenario; its second argument tells the person at the terminal where we are.
    pub fn run(
        &self,
        mut measure: impl FnMut(&dyn Scenario, &str) -> io::Result<Report>,
    ) -> io::Result<Grown> {
        let mut grown = Grown {
            scenario: "growth",
            machine: Machine::this(),
            series: Vec::new(),
        };
        for series in self.series() {
            let mut points = Vec::new();
            for (x, scenario) in &series.points {
                let report = measure(scenario.as_ref(), &format!("{} {x}, ", series.name))?;
                points.push(Point { x: *x, report });
            }
            let measured = Measured {
                name: series.name,
                title: series.title,
                x_label: series.x_label,
                y_label: series.y_label,
                figure: series.figure,
                points,
            };
            if let Some(folder) = &self.plots {
                std::fs::create_dir_all(folder)?;
                std::fs::write(folder.join(format!("{}.svg", series.name)), measured.svg())?;
            }
            grown.series.push(measured);
        }
        Ok(grown)
    }

    fn watchers(&self) -> Series {
        let fan_out = |watchers| FanOut {
            publishers: 4,
            watchers,
            deliveries_per_second: Some(RATE),
            measured: self.measured,
            ..FanOut::default()
        };
        Series {
            name: "watchers",
            title: format!("Cost of a delivery as watchers grow, {RATE} deliveries/s"),
            x_label: "watchers of each of 4 publishers, with connections of their own",
            figure: PER_DELIVERY,
            y_label: "server µs a delivery",
            points: self.points(&[1, 3, 10, 50, 250, 1_000, 2_000, 4_500], |watchers| {
                let fan_out = fan_out(watchers);
                (fan_out.publishers * (watchers + 1), fan_out)
            }),
        }
    }

    fn connections(&self) -> Series {
        let fan_out = |connections| FanOut {
            publishers: connections / (WATCHERS_FEW + 1),
            watchers: WATCHERS_FEW,
            deliveries_per_second: Some(RATE),
            measured: self.measured,
            ..FanOut::default()
        };
        Series {
            name: "connections",
            title: format!("Cost of a delivery as connections grow, {RATE} deliveries/s"),
            x_label: "connections, 10 of 11 watch the 11th",
            figure: PER_DELIVERY,
            y_label: "server µs a delivery",
            points: self.points(CONNECTIONS, |connections| (connections, fan_out(connections))),
        }
    }

    fn memory(&self) -> Series {
        let idle = |connections| Idle {
            connections,
            measured: self.measured,
            ..Idle::default()
        };
        Series {
            name: "memory",
            title: "Memory of a connection, idle after a burst, 10 subscriptions each".into(),
            x_label: "connections",
            figure: "bytes/connection (RSS)",
            y_label: "bytes a connection (RSS)",
            // Of fewer than a thousand, whole pages are too coarse a measure.
            points: self.points(&[1_000, 2_000, 5_000, 10_000, 19_900], |connections| {
                (connections, idle(connections))
            }),
        }
    }

    fn changes(&self) -> Series {
        const WATCHERS: usize = 200;
        let fan_out = |changes| FanOut {
            watchers: WATCHERS,
            shared: true,
            deliveries_per_second: Some(changes * WATCHERS),
            measured: self.measured,
            ..FanOut::default()
        };
        Series {
            name: "changes",
            title: format!("Cost of a delivery as changes grow, {WATCHERS} watchers told of each"),
            x_label: "changes a second that were asked for",
            figure: PER_DELIVERY,
            y_label: "server µs a delivery",
            points: self.points(&[10, 50, 200, 500, 1_000, 3_000, 10_000], |changes| {
                (WATCHERS + 10, fan_out(changes))
            }),
        }
    }

    /// A point for each number whose scenario needs no more connections than there may be.
    fn points<S: Scenario + 'static>(
        &self,
        numbers: &[usize],
        make: impl Fn(usize) -> (usize, S),
    ) -> Vec<(f64, Box<dyn Scenario>)> {
        let mut points: Vec<(f64, Box<dyn Scenario>)> = Vec::new();
        for &number in numbers {
            let (connections, scenario) = make(number);
            if connections <= self.connections_max {
                points.push((number as f64, Box::new(scenario)));
            }
        }
        points
    }
}

const PER_DELIVERY: &str = "server µs/delivery";

/// Deliveries a second where something else grows.
const RATE: usize = 10_000;

/// Of each publisher where connections grow.
const WATCHERS_FEW: usize = 10;

const CONNECTIONS: &[usize] = &[100, 300, 1_000, 3_000, 10_000, 19_900];

/// What came of all series.
#[derive(Serialize)]
pub struct Grown {
    scenario: &'static str,
    machine: Machine,
    series: Vec<Measured>,
}

/// A series with its runs.
#[derive(Serialize)]
struct Measured {
    name: &'static str,
    title: String,
    x_label: &'static str,
    y_label: &'static str,
    figure: &'static str,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    x: f64,
    report: Report,
}

impl Grown {
    /// Every run, for programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain numbers and names")
    }

    /// For people: Markdown, one table a series.
    pub fn tables(&self) -> String {
        let tables: Vec<String> = self.series.iter().map(Measured::table).collect();
        tables.join("\n")
    }

    /// The servers of which some run went wrong.
    pub fn failed(&self) -> Vec<&'static str> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let mut failed: Vec<&str> = points.flat_map(|point| point.report.failed()).collect();
        failed.sort_unstable();
        failed.dedup();
        failed
    }
}

impl Measured {
    /// Every server, in the order in which it first appears, with the points that it has.
    fn lines(&self) -> Vec<Line<'_>> {
        let mut lines: Vec<Line<'_>> = Vec::new();
        for Point { x, report } in &self.points {
            for server in report.servers() {
                let values = report.figure(server, self.figure);
                if values.is_empty() {
                    continue;
                }
                let point = (*x, Spread::of(values));
                match lines.iter_mut().find(|line| line.name == server) {
                    Some(line) => line.points.push(point),
                    None => lines.push(Line {
                        name: server,
                        points: vec![point],
                    }),
                }
            }
        }
        lines
    }

    fn svg(&self) -> String {
        let plot = Plot {
            title: &self.title,
            x_label: self.x_label,
            y_label: self.y_label,
            lines: self.lines(),
        };
        plot.svg()
    }

    fn table(&self) -> String {
        let mut text = String::new();
        self.write_table(&mut text).expect("a String grows");
        text
    }

    fn write_table(&self, text: &mut String) -> std::fmt::Result {
        let loads = self
            .points
            .iter()
            .flat_map(|point| &point.report.runs)
            .map(|run| run.load_average);
        writeln!(
            text,
            "`{}`: {}. {}, by {}; load average {}\n",
            self.name,
            self.title,
            self.y_label,
            self.x_label,
            Spread::of(loads.collect())
        )?;
        write!(text, "| server |")?;
        for Point { x, .. } in &self.points {
            write!(text, " {x} |")?;
        }
        writeln!(text, "\n|---|{}", "---|".repeat(self.points.len()))?;
        for line in self.lines() {
            write!(text, "| {} |", line.name)?;
            for Point { x, .. } in &self.points {
                match line.points.iter().find(|(at, _)| at == x) {
                    Some((_, spread)) => write!(text, " {spread} |")?,
                    None => write!(text, " – |")?,
                }
            }
            writeln!(text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_need_too_many_connections_are_left_out() {
        let mut growth = Growth {
            connections_max: 1_000,
            ..Growth::default()
        };
        growth.choose("connections,memory").expect("known");
        let series = growth.series();
        let numbers = |index: usize| series[index].points.iter().map(|(x, _)| *x).collect::<Vec<_>>();
        assert_eq!(numbers(0), [100.0, 300.0, 1_000.0]);
        assert_eq!(numbers(1), [1_000.0]);
        assert!(growth.choose("memory,dance").is_err());
    }

    #[test]
    fn a_server_without_a_value_has_a_gap_and_the_others_stay_in_their_columns() {
        use crate::report::{Figure, Run};
        let report = |servers: &[(&'static str, f64)]| Report {
            scenario: "fan-out",
            parameters: serde_json::json!({}),
            machine: Machine::this(),
            base: "ours",
            runs: servers
                .iter()
                .map(|&(server, value)| Run {
                    round: 1,
                    server,
                    load_average: 1.0,
                    figures: vec![Figure::less(PER_DELIVERY, value)],
                })
                .collect(),
            left_out: Vec::new(),
        };
        let measured = Measured {
            name: "watchers",
            title: "t".into(),
            x_label: "watchers",
            y_label: "µs",
            figure: PER_DELIVERY,
            points: vec![
                Point {
                    x: 1.0,
                    report: report(&[("ours", 2.0)]),
                },
                Point {
                    x: 10.0,
                    report: report(&[("ours", 3.0), ("redis", 4.0)]),
                },
            ],
        };
        let table = measured.table();
        assert!(table.contains("| server | 1 | 10 |"), "{table}");
        assert!(table.contains("| ours | 2.00 | 3.00 |"), "{table}");
        assert!(table.contains("| redis | – | 4.00 |"), "{table}");
        assert_eq!(measured.svg().matches("<polyline").count(), 2);
    }
}
