use testbed::{RedisServer, Sentinels};

#[tokio::test]
async fn a_replica_becomes_the_primary_when_the_primary_is_killed() {
    let primary = RedisServer::start().await.unwrap();
    let replica = RedisServer::builder().replica_of(&primary);
    let replica = replica.start().await.unwrap();
    let sentinels = Sentinels::start(&primary).await.unwrap();
    sentinels.until_primary_is(&primary).await.unwrap();
    primary.kill_hard().await.unwrap();
    sentinels.until_primary_is(&replica).await.unwrap();
}

#[tokio::test]
async fn a_password_is_asked_by_servers_and_sentinels() {
    let primary = RedisServer::builder().password("data");
    let primary = primary.start().await.unwrap();
    let replica = RedisServer::builder()
        .replica_of(&primary)
        .password("data")
        .config("masterauth", "data");
    let replica = replica.start().await.unwrap();
    let sentinels = Sentinels::builder(&primary).password("watch");
    let sentinels = sentinels.start().await.unwrap();
    assert!(
        sentinels
            .url()
            .starts_with("redis+sentinel://:data@127.0.0.1:")
    );
    sentinels.fail_over().await.unwrap();
    sentinels.until_primary_is(&replica).await.unwrap();
    // One that was restarted goes on watching.
    sentinels.each()[1].restart().await.unwrap();
    sentinels.until_primary_is(&replica).await.unwrap();
}
