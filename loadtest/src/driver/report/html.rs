//! The report as one HTML file: a page with the data inside, drawn by the page's own script.
//! Nothing is loaded from anywhere.

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const PLOT: &str = include_str!("page/plot.js");
const SCRIPT: &str = include_str!("page/page.js");

/// Returns the page with a report in it.
pub(super) fn page(scenario: &str, json: &str) -> String {
    // Inside a script, only this could end it (HTML, section 13.2.6.4.8).
    let json = json.replace("</", "<\\/");
    PAGE.replacen("{{title}}", scenario, 1)
        .replacen("{{style}}", STYLE, 1)
        .replacen("{{script}}", &format!("{PLOT}\n{SCRIPT}"), 1)
        // Last, so that nothing of the report is taken for a place.
        .replacen("{{report}}", &json, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_the_script_and_nothing_is_loaded() {
        let page = page("apns", r#"{"config":"</script>"}"#);
        assert!(page.contains(r#"{"config":"<\/script>"}"#));
        assert!(!page.contains("{{"));
        let names_of_standards = page.replace("http://www.w3.org/2000/svg", "");
        for elsewhere in ["http://", "https://", "src=", "url(", "@import", "fetch("] {
            assert!(!names_of_standards.contains(elsewhere), "{elsewhere}");
        }
    }
}
