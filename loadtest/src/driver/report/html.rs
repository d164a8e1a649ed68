//! The report as one HTML file: the page with the data inside, drawn by the page's own script.
//! Nothing is loaded from anywhere.

/// The page; its title and its data are put in where it says so.
const PAGE: &str = include_str!("page.html");

/// Returns the page with a report in it.
pub(super) fn page(scenario: &str, json: &str) -> String {
    // Inside a script, only this could end it (HTML, section 13.2.6.4.8).
    let json = json.replace("</", "<\\/");
    PAGE.replacen("{{scenario}}", scenario, 1)
        .replacen("{{report}}", &json, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_the_script() {
        let page = page("apns", r#"{"config":"</script>"}"#);
        assert!(page.contains(r#"{"config":"<\/script>"}"#));
        assert!(!page.contains("{{"));
        assert!(
            !page.contains("http://") && !page.contains("https://"),
            "nothing is loaded"
        );
    }
}
