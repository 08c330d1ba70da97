//! What the engine logs, for tests that ask whether a person would learn what is wrong.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The lines logged on this thread since the capture began. Loops of a `#[tokio::test]` run on it.
pub struct Log {
    written: Written,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn capture() -> Self {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(written.clone())
            .finish();
        Self {
            written,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The lines that hold all of these texts.
    pub fn lines(&self, texts: &[&str]) -> Vec<String> {
        let written = self.written.0.lock().unwrap();
        String::from_utf8_lossy(&written)
            .lines()
            .filter(|line| texts.iter().all(|text| line.contains(text)))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Log {
    /// A test that fails shows what was logged.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let written = self
                .written
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            let _ = io::Write::write_all(&mut io::stderr(), &written);
        }
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
