//! A run as one page that needs nothing else: the goals, then a table and charts for each scenario.

use loadtest::page::{Axis, Chart, card, checks, document, duration, escape, rate, three_digits};

use super::table::{HEADER, cells, own, steps};
use crate::figures::Figures;
use crate::goals::Reached;
use crate::outcome::{Case, Comparison, Outcome};

/// The steps have colours of their own.
const STYLE: &str = "<style>rect.front,i.front{fill:#5b8def;background:#5b8def}\
    rect.broker,i.broker{fill:#d98312;background:#d98312}\
    rect.worker,i.worker{fill:#12805c;background:#12805c}\
    .line{stroke-width:4}</style>";
const STEPS: &str = "<i class=front></i>front<i class=broker></i>broker<i class=worker></i>worker";
const RATE: &str = "<i class=succeeded></i>answered";
const PERCENTILES: &str = "<i class=p50></i>p50<i class=p99></i>p99";

/// All scenarios on one page; `about` says what they were measured on.
pub fn page(outcomes: &[Outcome], goals: &[Reached], about: &str) -> String {
    let met = goals.iter().filter(|goal| goal.met).count();
    let reached = match goals.len() {
        0 => String::new(),
        all => format!("; {met} of {all} goals reached"),
    };
    let parts: String = outcomes.iter().map(scenario).collect();
    let goals: Vec<_> = goals.iter().map(|goal| (goal.met, words(goal))).collect();
    let goals = checks(goals.iter().map(|(met, text)| (*met, text.as_str())));
    document(
        None,
        "Benchmark",
        &escape(&format!("{about}{reached}")),
        &format!("{STYLE}{goals}{parts}"),
    )
}

/// A goal and what became of it.
fn words(goal: &Reached) -> String {
    format!(
        "{}: {} {}, goal {}",
        goal.scenario, goal.what, goal.found, goal.goal
    )
}

fn scenario(outcome: &Outcome) -> String {
    let content = table(outcome) + &comparisons(&outcome.comparisons) + &promises(&outcome.cases);
    let title = format!("{}: {}", outcome.name, escape(&outcome.about));
    card(&title, "", &content) + &charts(outcome)
}

fn table(outcome: &Outcome) -> String {
    let own_header = outcome.columns.iter().map(|column| column.title);
    let header: String = HEADER
        .into_iter()
        .chain(own_header)
        .map(|name| format!("<th>{}</th>", escape(name)))
        .collect();
    let rows: String = outcome
        .cases
        .iter()
        .map(|case| {
            let own = outcome.columns.iter().map(|column| own(case, column));
            let cells: String = cells(case)
                .into_iter()
                .chain(own)
                .map(|cell| format!("<td>{cell}</td>"))
                .collect();
            format!("<tr><th>{}</th>{cells}</tr>", escape(&case.name))
        })
        .collect();
    format!("<div class=wide><table><tr><th></th>{header}</tr>{rows}</table></div>")
}

fn comparisons(all: &[Comparison]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let header = ["CPU", "front", "broker", "worker", "req/s", "p50", "p99"];
    let header = header.map(|name| format!("<th>{name}</th>")).concat();
    let rows: String = all
        .iter()
        .map(|of| {
            let cells = [
                Some(of.cpu),
                Some(of.front),
                of.broker,
                of.worker,
                Some(of.rate),
                Some(of.p50),
                Some(of.p99),
            ];
            let cells = cells.map(|cell| {
                let known = cell.filter(|cell| cell.median.is_finite());
                let text = known.map_or("–".to_owned(), |cell| cell.to_string());
                format!("<td>{text}</td>")
            });
            let name = format!("{} ÷ {}", of.case, of.against);
            format!("<tr><th>{}</th>{}</tr>", escape(&name), cells.concat())
        })
        .collect();
    format!("<div class=wide><table><tr><th></th>{header}</tr>{rows}</table></div>")
}

fn promises(cases: &[Case]) -> String {
    let list: String = cases
        .iter()
        .filter_map(|case| Some((case, case.promises?)))
        .map(|(case, promises)| {
            format!(
                "<div><dt>{}</dt><dd>{}</dd></div>",
                escape(&case.name),
                escape(promises)
            )
        })
        .collect();
    match list.is_empty() {
        true => list,
        false => format!("<dl>{list}</dl>"),
    }
}

fn charts(outcome: &Outcome) -> String {
    let cases = &outcome.cases;
    let mut charts = String::new();
    if cases.iter().any(|case| case.median.cpu.total() > 0.0) {
        let title = "Processor time per request, µs";
        charts += &card(title, STEPS, &processor_time(cases));
    }
    if cases.iter().any(|case| case.median.rate > 0.0) {
        charts += &card("Requests per second", RATE, &requests_per_second(cases));
    }
    if cases.iter().any(|case| case.median.p99 > 0.0) {
        charts += &card("Latency", PERCENTILES, &latency(cases));
    }
    match charts.is_empty() {
        true => charts,
        false => format!("<div class=charts>{charts}</div>"),
    }
}

fn processor_time(cases: &[Case]) -> String {
    let most = cases.iter().map(|case| case.median.cpu.total());
    let axis = Axis::from_zero(most.fold(0.0, f64::max));
    let title = "Processor time per request";
    columns(title, axis, three_digits, cases, |chart, at, of| {
        let span = (at + 0.15, at + 0.85);
        let cpu = of.cpu;
        chart.bar("front", span, (0.0, cpu.front));
        chart.bar("broker", span, (cpu.front, cpu.front + cpu.broker));
        chart.bar("worker", span, (cpu.front + cpu.broker, cpu.total()));
        steps(cpu, " + ")
    })
}

fn requests_per_second(cases: &[Case]) -> String {
    let most = cases.iter().map(|case| case.median.rate);
    let axis = Axis::from_zero(most.fold(0.0, f64::max));
    columns("Requests per second", axis, rate, cases, |chart, at, of| {
        chart.bar("succeeded", (at + 0.15, at + 0.85), (0.0, of.rate));
        rate(of.rate)
    })
}

/// Marks, not bars: on an axis by orders of magnitude the length of a bar would mean nothing.
fn latency(cases: &[Case]) -> String {
    let values = cases
        .iter()
        .flat_map(|case| [case.median.p50, case.median.p99]);
    let axis = Axis::for_values(values.filter(|value| *value > 0.0));
    columns("Latency", axis, duration, cases, |chart, at, of| {
        for (class, latency) in [("p50", of.p50), ("p99", of.p99)] {
            let known = (latency > 0.0).then_some(latency);
            let ends = [(at + 0.25, known), (at + 0.75, known)];
            chart.line(class, ends.into_iter());
        }
        format!("p50 {}\np99 {}", duration(of.p50), duration(of.p99))
    })
}

/// A chart with a column for each case. What draws one is told where it begins, and gives what is said of it.
fn columns(
    title: &str,
    axis: Axis,
    axis_text: fn(f64) -> String,
    cases: &[Case],
    draw: impl Fn(&mut Chart, f64, &Figures) -> String,
) -> String {
    let places = Axis::columns(cases.len());
    let mut chart = Chart::new(title, places, axis, three_digits, axis_text);
    for (number, case) in cases.iter().enumerate() {
        let at = number as f64;
        let text = draw(&mut chart, at, &case.median);
        let short: String = case.name.chars().take(18).collect();
        chart.x_label(at + 0.5, &escape(&short));
        let hint = format!("{}\n{text}", escape(&case.name));
        chart.hint((at, at + 1.0), &hint);
    }
    chart.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Steps;

    #[test]
    fn a_page_needs_nothing_else_and_escapes_names() {
        let figures = Figures {
            cpu: Steps {
                front: 9.0,
                broker: 5.0,
                worker: 3.0,
            },
            rate: 20_000.0,
            p50: 0.001,
            p99: 0.004,
            ..Figures::default()
        };
        let case = |name: &str| Case::new(name.to_owned(), Some("nothing"), vec![figures.clone()]);
        let cases = vec![case("<peer>"), case("ours")];
        let outcome = Outcome::last_against_each("c64", "64 callers".to_owned(), cases);
        let page = page(&[outcome], &[], "a machine");
        assert!(
            page.contains("&lt;peer&gt;") && !page.contains("<peer>"),
            "{page}"
        );
        assert!(
            page.contains("9 + 5 + 3") && page.contains("1.00 [1.00–1.00]"),
            "{page}"
        );
        assert!(!page.contains("://") && !page.contains("<script"), "{page}");
        assert!(!page.contains(">Passed<"), "no goal was looked at: {page}");
    }
}
