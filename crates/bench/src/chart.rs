//! Line charts as SVG, for documents that are read on light and on dark pages.
//!
//! A chart has named columns at even distances, so that 1, 2, 4, 8 threads stand as far apart as 0, 10, 20 percent, and a vertical
//! axis from zero. Every series has a mark at each of its points, and its name stands in a legend below.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
/// Height of a row of the legend.
const LEGEND_ROW: f64 = 20.0;
/// Series in a row of the legend.
const LEGEND_COLUMNS: usize = 3;
/// Distinguishable with the common kinds of colour blindness, on white and on black.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f"];

/// Values by column; a series may have none in some.
pub(crate) struct Series {
    pub name: String,
    pub values: Vec<Option<f64>>,
    /// Whether it is a limit or a reference and not a measurement.
    pub is_dashed: bool,
}

/// See the module's documentation.
pub(crate) struct Chart {
    pub title: String,
    pub x_name: String,
    pub y_name: String,
    pub columns: Vec<String>,
    pub series: Vec<Series>,
}

impl Chart {
    fn legend_rows(&self) -> f64 {
        self.series.len().div_ceil(LEGEND_COLUMNS) as f64
    }

    /// The lower end of the vertical axis.
    fn floor(&self) -> f64 {
        HEIGHT - 48.0 - self.legend_rows() * LEGEND_ROW
    }

    fn x(&self, column: usize) -> f64 {
        let steps = self.columns.len().saturating_sub(1).max(1) as f64;
        LEFT + (WIDTH - LEFT - RIGHT) * column as f64 / steps
    }

    /// The distance between two lines of the grid, and how many there are.
    fn grid(&self) -> (f64, usize) {
        let values = self.series.iter().flat_map(|series| &series.values).flatten();
        let highest = values.copied().fold(0.0, f64::max).max(1e-9);
        let magnitude = 10f64.powf((highest / 5.0).log10().floor());
        let fits = |factor: &f64| highest / (factor * magnitude) <= 6.0;
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(fits).unwrap_or(10.0) * magnitude;
        (step, (highest / step).ceil() as usize)
    }

    /// The chart as a document.
    pub fn svg(&self) -> String {
        let (step, lines) = self.grid();
        let y = |value: f64| self.floor() - (self.floor() - TOP) * value / (step * lines as f64);
        let mut svg = String::new();
        let mut put = |text: &str| svg.push_str(text);
        put(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\" fill=\"#808080\">\n<title>{0}</title>\n<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{0}</text>\n",
            escaped(&self.title)
        ));
        for line in 0..=lines {
            let (value, at) = (step * line as f64, y(step * line as f64));
            let end = WIDTH - RIGHT;
            put(&format!("<path d=\"M{LEFT} {at:.1}H{end}\" stroke=\"#808080\" stroke-opacity=\"0.3\"/>\n"));
            let (x, at, digits) = (LEFT - 6.0, at + 4.0, usize::from(step < 1.0) + usize::from(step < 0.1));
            put(&format!("<text x=\"{x}\" y=\"{at:.1}\" text-anchor=\"end\">{value:.digits$}</text>\n"));
        }
        for (column, name) in self.columns.iter().enumerate() {
            let (x, at) = (self.x(column), self.floor() + 16.0);
            put(&format!("<text x=\"{x:.1}\" y=\"{at}\" text-anchor=\"middle\">{}</text>\n", escaped(name)));
        }
        let (middle, at) = ((LEFT + WIDTH - RIGHT) / 2.0, self.floor() + 34.0);
        put(&format!("<text x=\"{middle}\" y=\"{at}\" text-anchor=\"middle\">{}</text>\n", escaped(&self.x_name)));
        put(&format!(
            "<text x=\"14\" y=\"{0}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {0})\">{1}</text>\n",
            (TOP + self.floor()) / 2.0,
            escaped(&self.y_name)
        ));
        for (index, series) in self.series.iter().enumerate() {
            put(&self.line(series, COLOURS[index % COLOURS.len()], &y));
            put(&self.legend_entry(index, series));
        }
        put("</svg>\n");
        svg
    }

    fn line(&self, series: &Series, colour: &str, y: &dyn Fn(f64) -> f64) -> String {
        let points: Vec<(f64, f64)> = series
            .values
            .iter()
            .enumerate()
            .filter_map(|(column, value)| value.map(|value| (self.x(column), y(value))))
            .collect();
        let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = if series.is_dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let list = list.join(" ");
        let mut line =
            format!("<polyline points=\"{list}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>\n");
        for (x, y) in points.iter().filter(|_| !series.is_dashed) {
            let written = writeln!(line, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
            written.expect("a string takes what is written");
        }
        line
    }

    fn legend_entry(&self, index: usize, series: &Series) -> String {
        let x = LEFT + (index % LEGEND_COLUMNS) as f64 * (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS as f64;
        let y = self.floor() + 52.0 + (index / LEGEND_COLUMNS) as f64 * LEGEND_ROW;
        let dashes = if series.is_dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let colour = COLOURS[index % COLOURS.len()];
        format!(
            "<path d=\"M{x:.1} {:.1}h24\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>\n<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>\n",
            y - 4.0,
            x + 30.0,
            escaped(&series.name)
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_where_their_values_are() {
        let series = Series { name: "a < b".into(), values: vec![Some(0.0), None, Some(4.0)], is_dashed: false };
        let columns = ["1", "2", "4"].map(String::from).to_vec();
        let (title, x_name, y_name) = ("T".into(), "threads".into(), "times".into());
        let chart = Chart { title, x_name, y_name, columns, series: vec![series] };
        assert_eq!(chart.grid(), (1.0, 4));
        let svg = chart.svg();
        let (floor, right) = (chart.floor(), WIDTH - RIGHT);
        assert!(svg.contains(&format!("points=\"{LEFT:.1},{floor:.1} {right:.1},{TOP:.1}\"")), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>\n"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
    }

    #[test]
    fn grids_have_round_steps() {
        for (highest, expected) in
            [(0.9, (0.2, 5)), (1.2, (0.2, 6)), (2.0, (0.5, 4)), (13.0, (2.5, 6)), (100.0, (20.0, 5))]
        {
            let values = vec![Some(highest)];
            let series = vec![Series { name: String::new(), values, is_dashed: false }];
            let name = String::new;
            let chart = Chart { title: name(), x_name: name(), y_name: name(), columns: Vec::new(), series };
            let (step, lines) = chart.grid();
            assert!((step - expected.0).abs() < 1e-9 && lines == expected.1, "{highest}: {step} {lines}");
        }
    }
}
