//! Callers that do not wait for an answer before they ask again.

use std::time::Duration;

use super::siege::{Bounds, Siege, exceeded};
use crate::callers::weather_of;
use crate::system::{Allowed, CITY, LONG, System};

const REQUESTS: usize = 1000;

/// Row 25: they are answered in order, each with its own, and wait for each other: one connection never has more than
/// one request in flight.
#[tokio::test]
async fn a_thousand_requests_in_one_write() -> anyhow::Result<()> {
    let system = System::builder()
        .proxy("PROCESSING_TIME", "0ms")
        .start()
        .await?;
    let siege = Siege::begin(system).await?;
    let all: String = (0..REQUESTS)
        .map(|number| {
            let body = weather_of(&format!("City {number}"));
            let length = body.len();
            format!(
                "POST {CITY} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n{body}"
            )
        })
        .collect();
    let mut connection = siege.system().ingress(0).raw().await?;
    let asking = async {
        connection.send(all).await?;
        for number in 0..REQUESTS {
            let answer = connection.read_answer(LONG).await?;
            assert_eq!(answer.status, 200, "{number}: {}", answer.text());
            assert_eq!(answer.json()?["city"], format!("City {number}"));
        }
        anyhow::Ok(())
    };
    // Its own, and those of the neighbours, of whom twenty come each second.
    tokio::select! {
        asked = asking => asked?,
        error = exceeded(siege.system().ingress(0), "pending_requests", 21.0) => return Err(error),
    }
    drop(connection);
    let bounds = Bounds {
        cpu: Duration::from_secs(20),
        rss: 16 << 20,
    };
    siege.end(bounds, Allowed::nothing()).await?;
    Ok(())
}
