//! Nothing is left behind: alone in its process, so that threads and descriptors can be counted.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use presence_client::Client;

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn cycle() {
    let clients = ["thread", "shared", "poll"].map(|delivery| {
        let options = format!(r#"{{"server":"tim://127.0.0.1:1","sdk_app_id":1,"delivery":"{delivery}"}}"#);
        let client = Client::create(&options).unwrap();
        client.login("alice", "sig", Box::new(|_| ())).unwrap();
        client
    });
    for client in clients {
        client.destroy(Duration::from_secs(60)).unwrap();
    }
}

#[test]
fn a_hundred_cycles_leave_threads_and_descriptors_as_they_were() {
    cycle();
    let threads = count("/proc/self/task");
    let descriptors = count("/proc/self/fd");
    for _ in 0..100 {
        cycle();
        assert_eq!(count("/proc/self/fd"), descriptors);
        // A thread that was joined is listed until the kernel has taken it off.
        let begun = Instant::now();
        while count("/proc/self/task") != threads {
            assert!(begun.elapsed() < Duration::from_secs(60), "a thread is left");
            std::thread::yield_now();
        }
    }
}
