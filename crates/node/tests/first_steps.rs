//! The shortest story: log in, subscribe, be told.

mod support;

use presence_node::NodeConfig;
use support::{OFFLINE, ONLINE, TestNode, UNLOGINED, app, settings};

async fn two_users_see_each_other(node: TestNode) {
    let mut alice = node.login("alice").await;
    assert_eq!(alice.follow(&["bob"]).await[0].status, UNLOGINED);
    let mut bob = node.login("bob").await;
    assert_eq!(alice.push_of("bob").await.status, ONLINE);

    assert_eq!(bob.set("in a call").await.code, 0);
    assert_eq!(bob.push_of("bob").await.custom_status, "in a call");
    let change = alice.push_of("bob").await;
    assert_eq!(
        (change.status, change.custom_status.as_str()),
        (ONLINE, "in a call")
    );

    drop(bob);
    let change = alice.push_of("bob").await;
    assert_eq!((change.status, change.custom_status.as_str()), (OFFLINE, ""));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_users_see_each_other_in_memory() {
    two_users_see_each_other(TestNode::in_memory(NodeConfig::default(), app(settings()))).await;
}

#[tokio::test]
async fn two_users_see_each_other_over_one_loop() {
    two_users_see_each_other(TestNode::over_tcp(NodeConfig::default(), 1, app(settings()))).await;
}

#[tokio::test]
async fn two_users_see_each_other_over_three_loops() {
    two_users_see_each_other(TestNode::over_tcp(NodeConfig::default(), 3, app(settings()))).await;
}
