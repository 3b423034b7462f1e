//! Metrics in Prometheus' text format, as far as scenarios ask about them.

use std::collections::BTreeMap;

/// One series: a line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its labels; their order says nothing.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// The series of the metric `name` in `text`; what is no such line is passed over.
pub fn series(text: &str, name: &str) -> Vec<Series> {
    text.lines()
        .filter_map(|line| one(line.strip_prefix(name)?))
        .collect()
}

/// `{label="value",…} value time`, or without labels or time. Values of labels with a quote in them are cut at it.
fn one(rest: &str) -> Option<Series> {
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once('}')?,
        None => ("", rest.strip_prefix(' ')?),
    };
    let labels = labels.split("\",").filter_map(|label| {
        let (name, value) = label.trim().split_once("=\"")?;
        Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some(Series {
        labels: labels.collect(),
        value: value.split_whitespace().next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::without_labels("calls_total 7", &[], 7.0)]
    #[case::with_a_time("calls_total 7 1700000000000", &[], 7.0)]
    #[case::a_template(
        "calls_total{method=\"GET\",endpoint=\"/v1/batches/{batch_id}/status\"} 2.5",
        &[("endpoint", "/v1/batches/{batch_id}/status"), ("method", "GET")],
        2.5
    )]
    #[case::another_order_and_a_comma_too_many(
        "calls_total{endpoint=\"/v1/:id\", method=\"GET\",} 3",
        &[("endpoint", "/v1/:id"), ("method", "GET")],
        3.0
    )]
    fn a_series_has_labels_and_a_value(
        #[case] line: &str,
        #[case] labels: &[(&str, &str)],
        #[case] value: f64,
    ) {
        let text = format!("# TYPE calls_total counter\n{line}\ncalls_created 9\n");
        let labels = labels.iter().map(|&(n, v)| (n.to_owned(), v.to_owned()));
        let expected = Series {
            labels: labels.collect(),
            value,
        };
        assert_eq!(series(&text, "calls_total"), [expected]);
    }
}
