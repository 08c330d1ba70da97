//! A weather provider that needs nothing: deterministic per city and day, plausible for where the city is,
//! and able to be slow or to fail on request.

mod climate;
mod faults;
mod places;

use std::time::Duration;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{ProviderError, Weather, weather::word};
use faults::Fault;
use places::{CityKey, Places};

/// The settings of the simulated provider.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SimulatedConfig {
    /// How long each answer takes. At 0 no timer is involved; else timers of one millisecond apply, rounded up.
    pub processing_time: Duration,
    /// The share of requests that fail, in `0.0..=1.0`.
    pub failure_rate: f64,
    /// The share of requests that take [`slow_time`](Self::slow_time), in `0.0..=1.0`.
    pub slow_rate: f64,
    /// How long a slow answer takes, in place of the processing time.
    pub slow_time: Duration,
    /// Whether the cities `panic!`, `abort!`, `hang!` and `fail!` do what they say. For experiments only:
    /// whoever may send a request can then end the process.
    pub faults: bool,
}

/// Invents the weather.
#[derive(Debug)]
pub(crate) struct Simulated {
    config: SimulatedConfig,
    places: Places,
}

impl Simulated {
    /// A provider with these settings.
    pub(crate) fn new(config: SimulatedConfig) -> Self {
        Self {
            config,
            places: Places::well_known(),
        }
    }

    /// Today's weather of any city, after the processing time. Whether a request fails or is slow is drawn
    /// for each anew, and changes nothing about the weather.
    pub(crate) async fn weather(&self, city: &str) -> Result<Weather, ProviderError> {
        if self.config.faults
            && let Some(fault) = Fault::of(city)
        {
            return Err(fault.strike().await);
        }
        let slow = happens(self.config.slow_rate);
        let time = if slow {
            self.config.slow_time
        } else {
            self.config.processing_time
        };
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        if happens(self.config.failure_rate) {
            return Err(ProviderError::Simulated);
        }
        Ok(self.forecast(city, TimeZone::UTC.to_datetime(Timestamp::now()).date()))
    }

    /// The weather of a city on a day: a function of the two, in every process alike.
    fn forecast(&self, city: &str, date: Date) -> Weather {
        let city = CityKey::new(city);
        let temperature_c = climate::temperature(self.places.locate(city), city, date);
        Weather {
            date,
            temperature_c,
            summary: word(temperature_c),
        }
    }
}

/// True in the given share of calls; never at 0.0, always at 1.0.
fn happens(rate: f64) -> bool {
    fastrand::f64() < rate
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const CALM: SimulatedConfig = SimulatedConfig {
        processing_time: Duration::ZERO,
        failure_rate: 0.0,
        slow_rate: 0.0,
        slow_time: Duration::ZERO,
        faults: false,
    };

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_the_processing_time() {
        let simulated = Simulated::new(SimulatedConfig {
            processing_time: Duration::from_millis(150),
            ..CALM
        });
        let start = tokio::time::Instant::now();
        simulated.weather("Oslo").await.unwrap();
        let took = start.elapsed();
        assert!((150..=152).contains(&took.as_millis()), "{took:?}");
    }

    #[test]
    fn no_processing_time_means_no_timer() {
        // A runtime without a time driver panics when a timer is made.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let weather = runtime.block_on(Simulated::new(CALM).weather("Oslo"));
        assert!(weather.is_ok(), "{weather:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_one_hits_every_request_and_a_rate_of_zero_none() {
        let always = Simulated::new(SimulatedConfig {
            failure_rate: 1.0,
            slow_rate: 1.0,
            slow_time: Duration::from_secs(60),
            ..CALM
        });
        let start = tokio::time::Instant::now();
        for _ in 0..100 {
            assert!(matches!(
                always.weather("Oslo").await,
                Err(ProviderError::Simulated)
            ));
            assert!(Simulated::new(CALM).weather("Oslo").await.is_ok());
        }
        assert!(start.elapsed() >= 100 * Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_rate_between_hits_some() {
        let sometimes = Simulated::new(SimulatedConfig {
            failure_rate: 0.5,
            ..CALM
        });
        let mut failed = 0;
        for _ in 0..1000 {
            failed += u32::from(sometimes.weather("Oslo").await.is_err());
        }
        // Missed by chance less than once in 10^20 runs.
        assert!((350..=650).contains(&failed), "{failed}");
    }

    #[tokio::test(start_paused = true)]
    async fn poisoned_cities_are_ordinary_names_unless_asked_for() {
        for city in ["panic!", "abort!", "hang!", "fail!"] {
            assert!(Simulated::new(CALM).weather(city).await.is_ok(), "{city}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn poisoned_cities_do_what_they_say() {
        let poisoned = std::sync::Arc::new(Simulated::new(SimulatedConfig {
            faults: true,
            ..CALM
        }));
        assert!(matches!(
            poisoned.weather("fail!").await,
            Err(ProviderError::Simulated)
        ));
        let hang = tokio::time::timeout(Duration::from_secs(3600), poisoned.weather("hang!")).await;
        assert!(hang.is_err(), "{hang:?}");
        let panicking = poisoned.clone();
        let panic = tokio::spawn(async move { panicking.weather("panic!").await.is_ok() }).await;
        assert!(panic.expect_err("a panic").is_panic());
        assert!(poisoned.weather("Oslo").await.is_ok());
    }

    proptest! {
        #[test]
        fn the_same_city_and_day_have_the_same_weather(
            city in ".*",
            year in 1970i16..=2200,
            month in 1i8..=12,
            day in 1i8..=28,
        ) {
            let date = date(year, month, day);
            let weather = Simulated::new(CALM).forecast(&city, date);
            prop_assert_eq!(weather.date, date);
            prop_assert!((-80..=45).contains(&weather.temperature_c), "{:?}", weather);
            prop_assert_eq!(weather.summary, word(weather.temperature_c));
            for spelling in [city.to_uppercase(), city.to_lowercase(), format!(" {city}\t")] {
                prop_assert_eq!(&Simulated::new(CALM).forecast(&spelling, date), &weather);
            }
        }
    }
}
