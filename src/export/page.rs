//! A text as a page to show: Markdown, and HTML with probability colours.

use std::fmt::Write as _;

use minijinja::HtmlEscape;

use super::tokens::TokenRow;
use crate::text::sanitise;

/// Steps of the colour scale.
const STEPS: usize = 10;

/// What stands above a text: model, seed and whatever else there is to say, each with its name.
pub type Facts = Vec<(&'static str, String)>;

/// Markdown: the facts, the text in a block of its own, and a table of its tokens.
pub fn markdown(rows: &[TokenRow], facts: &Facts) -> String {
    let mut page = String::from("# A text in kshot\n\n");
    for (name, value) in facts {
        let _ = writeln!(page, "- {name}: {}", cell(value));
    }
    let text = sanitise::text(&text(rows)).into_owned();
    // A fence is longer than any that stands in the text.
    let fence = "`".repeat(3.max(1 + longest_run(&text, '`')));
    let _ = write!(page, "\n{fence}text\n{text}\n{fence}\n\n");
    page += "| # | id | token | author | probability | rank | entropy (bits) |\n";
    page += "|--:|--:|:--|:--|--:|--:|--:|\n";
    for (position, row) in rows.iter().enumerate() {
        let _ = writeln!(
            page,
            "| {position} | {} | {} | {} | {} | {} | {} |",
            row.id,
            cell(&row.label()),
            row.author(),
            row.logprob.map(percent).unwrap_or_default(),
            row.rank.map(|rank| rank.to_string()).unwrap_or_default(),
            row.entropy.map(|bits| format!("{bits:.2}")).unwrap_or_default(),
        );
    }
    page
}

/// A standalone HTML page: each token with a ground that says how likely it was, and its figures where the pointer rests.
pub fn html(rows: &[TokenRow], facts: &Facts) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>A text in kshot</title>\n<style>\n\
         :root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.6 }\n\
         body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem }\n\
         .text { white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, monospace }\n\
         .model { border-bottom: 1px solid }\n",
    );
    for step in 0..STEPS {
        // From orange for what surprised the model to blue for what it was sure of, palest between them: no common colour
        // blindness mixes these up.
        let (hue, alpha) = match step.checked_sub(STEPS / 2) {
            None => (30, 70 - 12 * step),
            Some(above) => (215, 12 + 10 * above),
        };
        let _ = writeln!(page, ".p{step} {{ background: hsl({hue} 90% 50% / {alpha}%) }}");
    }
    page += "</style>\n</head>\n<body>\n<dl>\n";
    for (name, value) in facts {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", HtmlEscape(name), HtmlEscape(&sanitise::line(value)));
    }
    page += "</dl>\n<p>probability of a token: ";
    for step in 0..STEPS {
        let _ = write!(page, "<span class=\"p{step}\">{}%</span> ", step * 100 / STEPS);
    }
    page += "and more; <span class=\"model\">underlined</span>: sampled by the model; no colour: not known</p>\n";
    page += "<div class=\"text\">";
    for group in characters(rows) {
        let bytes: Vec<u8> = group.iter().flat_map(|row| &row.bytes).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let mut classes = vec![];
        if group.iter().any(|row| row.author() == "model") {
            classes.push("model".to_owned());
        }
        // Tokens that share a character are as likely as all of them together.
        if let Some(logprob) = group.iter().map(|row| row.logprob).sum::<Option<f32>>() {
            classes.push(format!("p{}", ((logprob.exp() * STEPS as f32) as usize).min(STEPS - 1)));
        }
        let titles: Vec<String> = group.iter().map(title).collect();
        let _ = write!(
            page,
            "<span class=\"{}\" title=\"{}\">{}</span>",
            classes.join(" "),
            HtmlEscape(&titles.join("\n")),
            HtmlEscape(&sanitise::text(&text)),
        );
    }
    page + "</div>\n</body>\n</html>\n"
}

/// Stretches of tokens that together are whole characters.
fn characters(rows: &[TokenRow]) -> Vec<&[TokenRow]> {
    let (mut groups, mut from, mut bytes) = (Vec::new(), 0, Vec::new());
    for (at, row) in rows.iter().enumerate() {
        bytes.extend_from_slice(&row.bytes);
        let cut = std::str::from_utf8(&bytes).is_err_and(|error| error.error_len().is_none());
        if !cut || at + 1 == rows.len() {
            groups.push(&rows[from..=at]);
            from = at + 1;
            bytes.clear();
        }
    }
    groups
}

fn title(row: &TokenRow) -> String {
    let mut title = format!("{} id {}, {}", row.label(), row.id, row.author());
    if let Some(logprob) = row.logprob {
        let _ = write!(title, ", {}", percent(logprob));
    }
    if let Some(rank) = row.rank {
        let _ = write!(title, ", rank {rank}");
    }
    if let Some(entropy) = row.entropy {
        let _ = write!(title, ", entropy {entropy:.2} bits");
    }
    title
}

fn percent(logprob: f32) -> String {
    format!("{:.2}%", f64::from(logprob).exp() * 100.0)
}

fn text(rows: &[TokenRow]) -> String {
    let bytes: Vec<u8> = rows.iter().flat_map(|row| &row.bytes).copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text of others in a line or a cell of Markdown, none of it markup.
fn cell(text: &str) -> String {
    let text = sanitise::line(text);
    let mut out = String::from("<code>");
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            c if c.is_ascii_punctuation() => {
                let _ = write!(out, "&#{};", c as u32);
            }
            c => out.push(c),
        }
    }
    out + "</code>"
}

/// The longest stretch of one character.
fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(|run| run.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tests::rows;
    use super::*;

    fn facts() -> Facts {
        vec![("model", "a|b<i>".to_owned()), ("seed", "7".to_owned())]
    }

    #[test]
    fn a_page_holds_the_text_and_no_markup_of_it() {
        let page = html(&rows(), &facts());
        assert!(page.contains("&lt;b&gt;,&quot;</span>") && !page.contains("<b>"), "{page}");
        assert!(page.contains("<dd>a|b&lt;i&gt;</dd>"), "{page}");
        assert!(!page.contains("<script") && !page.contains("http"), "self-contained: {page}");
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
        // exp(-0.25) is 0.78.
        assert!(page.contains("class=\"model p7\""), "{page}");
        assert!(page.contains(", 77.88%, rank 3, entropy 1.50 bits"), "{page}");
        assert_eq!(page.matches("<span class=\"\"").count(), 1, "the prompt has no colour");
    }

    #[test]
    fn a_character_of_two_tokens_is_one_stretch() {
        let rows = rows();
        let lengths: Vec<usize> = characters(&rows).iter().map(|group| group.len()).collect();
        assert_eq!(lengths, [1, 1, 2]);
        let page = html(&rows, &Facts::new());
        assert!(page.contains("\u{4e2d}␛[2J&amp;</span>"), "{page}");
        // exp(-8.5) is less than a tenth.
        assert!(page.contains("class=\"model p0\""), "{page}");
        let cut = characters(&rows[..3]).len();
        assert_eq!(cut, 3, "half a character at the end is not left out");
    }

    #[test]
    fn markdown_fences_and_cells_hold() {
        let page = markdown(&rows(), &facts());
        let table: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(table.len(), 5, "{page}");
        for line in table {
            assert_eq!(line.matches('|').count(), 8, "{line}");
        }
        assert!(page.contains("\n```text\n\n<b>,\" |`x`"), "{page}");
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
        let fenced = markdown(&[TokenRow { bytes: b"````".to_vec(), ..rows()[0].clone() }], &Facts::new());
        assert!(fenced.contains("\n`````text\n````\n`````\n"), "{fenced}");
    }
}
