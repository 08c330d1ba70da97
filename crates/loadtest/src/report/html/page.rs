//! What pages are made of: the document around everything, cards, lists of checks.

/// The style of every page, which knows the classes that charts, cards and tables use.
const STYLE: &str = include_str!("page.css");

/// A page that says first whether what it tells of passed, if anything was judged. The heading is text, its lead and
/// the content are HTML.
pub fn document(passed: Option<bool>, heading: &str, lead: &str, content: &str) -> String {
    let heading = escape(heading);
    let (title, badge) = match passed {
        Some(true) => (
            format!("Passed: {heading}"),
            "<span class=\"badge passed\">Passed</span>",
        ),
        Some(false) => (
            format!("Failed: {heading}"),
            "<span class=\"badge failed\">Failed</span>",
        ),
        None => (heading.clone(), ""),
    };
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
        <meta name=viewport content=\"width=device-width,initial-scale=1\">\
        <meta http-equiv=Content-Security-Policy content=\"default-src 'none';style-src 'unsafe-inline'\">\
        <meta name=color-scheme content=\"light dark\"><title>{title}</title>\
        <style>{STYLE}</style></head>\n<body><main>\n\
        <header>{badge}<h1>{heading}</h1><p>{lead}</p></header>\n\
        {content}\n</main></body></html>\n"
    )
}

/// What was checked: whether it held, and what it was.
pub fn checks<'a>(checks: impl Iterator<Item = (bool, &'a str)>) -> String {
    let checks: String = checks
        .map(|(passed, text)| {
            let (class, mark) = match passed {
                true => ("passed", "✓"),
                false => ("failed", "✗"),
            };
            format!("<li class={class}><b>{mark}</b> {}</li>", escape(text))
        })
        .collect();
    format!("<ul class=checks>{checks}</ul>")
}

/// A part of the page with a title; all three are HTML.
pub fn card(title: &str, legend: &str, content: &str) -> String {
    format!(
        "<section class=card><h2>{title}<span class=legend>{legend}</span></h2>{content}</section>"
    )
}

/// Text as text, in an element or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
