use testbed::{Invariant, Leftovers, RedisServer};

#[tokio::test]
async fn nothing_is_left_where_nothing_was() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    let leftovers = Leftovers::read(&server, "requests", "group").await?;
    assert_eq!(leftovers, Leftovers::default());
    leftovers.check(0, 0)?;
    Ok(())
}

#[tokio::test]
async fn counts_what_is_left() -> anyhow::Result<()> {
    let server = RedisServer::start().await?;
    server
        .command::<()>(&["XGROUP", "CREATE", "requests", "group", "0", "MKSTREAM"])
        .await?;
    server
        .command::<()>(&["XGROUP", "CREATE", "requests", "another", "0"])
        .await?;
    assert_eq!(
        Leftovers::read(&server, "requests", "group").await?,
        Leftovers::default()
    );
    for _ in 0..3 {
        server
            .command::<()>(&["XADD", "requests", "*", "id", "body"])
            .await?;
    }
    let read = [
        "XREADGROUP",
        "GROUP",
        "group",
        "consumer-1",
        "COUNT",
        "2",
        "STREAMS",
        "requests",
        ">",
    ];
    server.command::<()>(&read).await?;
    server
        .command::<()>(&[
            "XGROUP",
            "CREATECONSUMER",
            "requests",
            "group",
            "consumer-2",
        ])
        .await?;
    server
        .command::<()>(&["XADD", "requests:dead", "*", "id", "body"])
        .await?;

    let leftovers = Leftovers::read(&server, "requests", "group").await?;
    assert_eq!(
        leftovers,
        Leftovers {
            outstanding: 3,
            pending: 2,
            consumers: 2,
            dead_letters: 1
        }
    );
    let other = Leftovers::read(&server, "requests", "missing").await?;
    assert_eq!(
        other,
        Leftovers {
            outstanding: 3,
            dead_letters: 1,
            ..Leftovers::default()
        }
    );
    Ok(())
}

#[test]
fn each_leak_is_a_violation() {
    let clean = Leftovers {
        consumers: 2,
        dead_letters: 1,
        ..Leftovers::default()
    };
    clean.check(2, 1).unwrap();
    let leaks = [
        (
            Leftovers {
                outstanding: 3,
                ..clean
            },
            "3 entries are left in the request stream",
        ),
        (
            Leftovers {
                pending: 2,
                ..clean
            },
            "2 entries are pending",
        ),
        (
            Leftovers {
                consumers: 3,
                ..clean
            },
            "3 consumers are left where 2 may be",
        ),
        (
            Leftovers {
                dead_letters: 0,
                ..clean
            },
            "0 dead letters are there where 1 must be",
        ),
        (
            Leftovers {
                dead_letters: 2,
                ..clean
            },
            "2 dead letters are there where 1 must be",
        ),
    ];
    for (leak, what) in leaks {
        let found = leak.check(2, 1).unwrap_err().0;
        assert_eq!(
            (found.len(), found[0].invariant, found[0].what.as_str()),
            (1, Invariant::NothingLeft, what)
        );
    }
}
