//! What is done by the time of the next read is settled along with it.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use futures_util::future::join_all;

use crate::support::{LEASE, PATIENCE, Service, ask, becomes, serve};

#[tokio::test]
async fn what_is_done_at_once_needs_no_write_of_its_own() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = service.echo(2).await;
    for number in 0..20 {
        let body = number.to_string();
        let reply = ask(&client, &body).await.unwrap();
        assert_eq!(&reply.body[..], body.as_bytes());
    }
    nothing_was_settled_apart(&service).await;
}

#[tokio::test]
async fn nor_does_what_takes_its_time_where_all_terminals_are_busy() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = serve(service.worker_config(), 1, |request| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(request.body.to_vec())
    })
    .await;
    let bodies: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    let asked = bodies.iter().map(|body| ask(&client, body));
    for (reply, body) in join_all(asked).await.into_iter().zip(&bodies) {
        assert_eq!(&reply.unwrap().body[..], body.as_bytes());
    }
    nothing_was_settled_apart(&service).await;
}

/// The connection of the loop that settles was never used.
async fn nothing_was_settled_apart(service: &Service) {
    service.is_clean().await;
    let clients: String = service.redis.command(&["CLIENT", "LIST"]).await.unwrap();
    let settle = clients.lines().find(|line| line.contains(":settle"));
    let settle = settle.expect("it is connected");
    assert!(
        settle.contains(" cmd=client"),
        "nothing was sent on it but its name: {settle}"
    );
}

#[tokio::test]
async fn a_terminal_that_is_not_free_after_all_takes_nothing() {
    let service = Service::start().await;
    let (requests, responses) = (&service.names.requests, &service.names.responses);
    service.make_group().await;
    service
        .redis
        .command::<()>(&["SET", responses, "x"])
        .await
        .unwrap();
    for body in ["first", "second"] {
        let (id, value) = (
            uuid::Uuid::now_v7().to_string(),
            format!("{{\"v\":1,\"ttl\":20000}}\n{body}"),
        );
        service
            .redis
            .command::<String>(&["XADD", requests, "*", &id, &value])
            .await
            .unwrap();
    }
    let served = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&served);
    let worker = serve(service.leased(), 1, move |request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        seen.lock().unwrap().push((body, request.deliveries));
        async { Ok(vec![]) }
    })
    .await;
    // The reply to the first is refused, and keeps the only terminal. What came for it is as good as never delivered.
    becomes(1.0, async || {
        worker.metric("replies_refused_total").min(1.0)
    })
    .await;
    tokio::time::sleep(LEASE).await;
    let first = ("first".to_owned(), 1);
    assert_eq!(served.lock().unwrap()[..], *std::slice::from_ref(&first));
    service
        .redis
        .command::<()>(&["DEL", responses])
        .await
        .unwrap();
    becomes(2, async || served.lock().unwrap().len()).await;
    assert_eq!(*served.lock().unwrap(), [first, ("second".to_owned(), 1)]);
    service.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handlers_run_on_all_threads() {
    let service = Service::start().await;
    let client = service.client().await;
    let both = Arc::new((Mutex::new(0), Condvar::new()));
    let _worker = serve(service.worker_config(), 2, move |_request| {
        let both = Arc::clone(&both);
        async move {
            let (here, came) = &*both;
            // Neither lets go of its task before the other has come. The runtime is told: the thread may be the one
            // that looks after its sockets, and no other takes that over for as long as this one seems to run.
            let late = tokio::task::block_in_place(|| {
                let mut here = here.lock().unwrap();
                *here += 1;
                came.notify_all();
                let (_here, waited) = came
                    .wait_timeout_while(here, PATIENCE, |here| *here < 2)
                    .unwrap();
                waited.timed_out()
            });
            Ok(vec![u8::from(late)])
        }
    })
    .await;
    let (one, other) = tokio::join!(ask(&client, "one"), ask(&client, "other"));
    for reply in [one, other] {
        assert_eq!(reply.unwrap().body[..], [0]);
    }
}
