// Fills the page from its data: see __init__.py for what they hold.

const { report, colours, dashed, comparisons, left_out } = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SUBJECT = Object.keys(report.codecs)[0];
const signed = (percent) => `${percent > 0 ? "+" : percent < 0 ? "−" : ""}${Math.abs(percent).toFixed(1)} %`;
const title = (metric) => report.metrics[metric].title;
const unit = (metric) => (report.metrics[metric].unit ? ` ${report.metrics[metric].unit}` : "");
const minus = (number) => number.replace("-", "−");
const range = ([low, high]) => minus(`${low.toFixed(1)} to `) + minus(high.toFixed(1));
const comparable = (delta) => delta.shared ?? delta.percent; // over what all codecs share, where there is such a range
const withoutQuality = (name) => report.lossless.includes(name) || report.fixed_quality.includes(name);

function level(metric, value) { // on the axis of plots; null: lossless
  if (value === null || value === undefined) return null;
  if (metric !== "ms-ssim") return value;
  return value >= 1 ? null : -10 * Math.log10(1 - value);
}

function shown(metric, point) {
  if (!(metric in point)) return "–";
  if (point[metric] === null) return "lossless";
  return minus(point[metric].toFixed(report.metrics[metric].digits));
}

function make(name, text, classes) {
  const node = document.createElement(name);
  if (text !== undefined) node.append(text);
  if (classes) node.className = classes;
  return node;
}

function named(codec) {
  const cell = make("td"), dot = make("span", undefined, "dot");
  dot.style.background = colours[codec];
  cell.append(dot, codec);
  return cell;
}

function table(node, heads, rows) {
  const head = make("tr"), body = make("tbody");
  for (const one of heads) head.append(one instanceof Node ? one : make("th", one));
  for (const [codec, cells] of rows) {
    const row = make("tr", undefined, codec === SUBJECT ? "subject" : "");
    row.append(named(codec), ...cells.map((cell) => (cell instanceof Node ? cell : make("td", cell))));
    body.append(row);
  }
  const top = make("thead");
  top.append(head);
  node.replaceChildren(top, body);
}

function without(codec, one, columns) { // the row of a codec that has no numbers
  const cell = one.failed ? make("td", `failed: ${one.failed}`, "more") : make("td", `not measured: ${one.not_measured}`);
  cell.colSpan = columns;
  cell.style.textAlign = "left";
  return [codec, [cell]];
}

function header() {
  const count = report.images.length;
  const first = report.images[0];
  byId("title").textContent = count === 1 ? `${SUBJECT} on ${first.name}` : `${SUBJECT} on ${count} images`;
  const codecs = Object.keys(report.codecs).filter((name) => name !== SUBJECT);
  byId("summary").textContent =
    `${SUBJECT} beside ${codecs.join(", ") || "nothing"}: real files, written, read back and compared with the source.`;
  const facts = [];
  const deltas = report.mean.bd_rate;
  const ranking = Object.entries(deltas.psnr ?? {}).filter(([, delta]) => delta)
    .map(([name, delta]) => [name, comparable(delta)]).sort((a, b) => a[1] - b[1]);
  if (ranking.length > 1) byId("ranking").textContent = `Bits at equal ${title("psnr")} against ${report.anchor}: ` +
    `${ranking.map(([name, percent]) => `${name} ${signed(percent)}`).join(", ")}.`;
  for (const metric of Object.keys(deltas)) {
    const delta = deltas[metric][SUBJECT];
    if (delta) facts.push([signed(comparable(delta)), `bits against ${report.anchor} at equal ${title(metric)}`]);
  }
  const own = report.speed?.codecs[SUBJECT];
  if (own && !own.failed) {
    const cores = Object.keys(own.encode_mps).at(-1);
    const where = `MP/s on ${cores} core${cores === "1" ? "" : "s"}`;
    facts.push([own.encode_mps[cores].toFixed(1), `encoding, ${where}`], [own.decode_mps[cores].toFixed(1), `decoding, ${where}`]);
  }
  for (const [value, text] of facts) {
    const box = make("div", undefined, "fact");
    box.append(make("b", value), make("span", text));
    byId("facts").append(box);
  }
}

const hidden = new Set(report.lossless);

function curves() {
  const metric = byId("metric").value;
  const chosen = byId("block").value;
  const block = chosen === "mean" ? report.mean : report.images[chosen];
  const series = [];
  for (const [name, codec] of Object.entries(block.codecs)) {
    if (!codec.points || hidden.has(name)) continue;
    const points = codec.points
      .map((point) => ({ x: point.bpp, y: level(metric, point[metric]), point }))
      .filter((one) => one.y !== null)
      .map(({ x, y, point }) => ({ x, y, tip: `${x.toFixed(3)} bpp, ${shown(metric, point)}${metric === "ms-ssim" ? "" : unit(metric)}` }));
    series.push({ name, colour: colours[name], points, wide: name === SUBJECT, dashed: dashed.includes(name) });
  }
  series.sort((a, b) => a.wide - b.wide);
  chart(byId("rd"), series, { x: "bits per pixel", y: title(metric) + (unit(metric) && `,${unit(metric)}`), logX: true, lines: true });
  const metrics = Object.keys(report.metrics);
  const rows = [];
  for (const [name, codec] of Object.entries(block.codecs)) {
    if (!codec.points) rows.push(without(name, codec, 3 + metrics.length));
    else for (const point of codec.points) {
      const values = metrics.map((one) => shown(one, point));
      const quality = withoutQuality(name) ? "" : String(+point.quality.toFixed(2));
      const size = Math.round(point.bytes).toLocaleString("en") + (point.reached ? "" : " (cannot do it)");
      rows.push([name, [quality, size, point.bpp.toFixed(3), ...values]]);
    }
  }
  table(byId("points"), ["codec", "quality", "bytes", "bpp", ...metrics.map(title)], rows);
}

function legend() {
  for (const name of Object.keys(report.codecs)) {
    if (report.lossless.includes(name)) continue;
    const button = make("button"), line = make("i");
    line.style.borderTop = `3px ${dashed.includes(name) ? "dashed" : "solid"} ${colours[name]}`;
    button.append(line, name);
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      if (!hidden.delete(name)) hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      curves();
    });
    byId("legend").append(button);
  }
}

function rates() {
  const anchors = Object.keys(report.bd_rates);
  if (!anchors.some((name) => Object.keys(report.bd_rates[name]).length)) return;
  byId("rates").hidden = false;
  const select = byId("anchor");
  if (!select.length) for (const name of anchors) select.add(new Option(name, name, false, name === report.anchor));
  const anchor = select.value, deltas = report.bd_rates[anchor], shared = report.mean.shared_range;
  const metrics = Object.keys(deltas);
  const of = report.images.length > 1 ? `curves of the mean of ${report.images.length} images` : "curves of the image";
  const alone = report.fixed_quality.filter((name) => report.mean.codecs[name].points);
  byId("rates-note").textContent =
    `How many more or fewer bits than ${anchor} at equal quality, on average (BD-rate: ${of}, PCHIP on the logarithm of the rate). ` +
    "Large: over the range of quality that all codecs here share, so that they can be compared with each other. " +
    `Small: over all that a codec has in common with ${anchor}. MS-SSIM in dB.` +
    (alone.length ? ` No BD-rate, which needs a curve: ${alone.join(", ")}, of one quality.` : "");
  const heads = metrics.map((metric) => {
    const head = make("th", title(metric));
    if (shared[metric]) head.append(make("small", `${range(shared[metric])}${unit(metric)}`));
    return head;
  });
  const names = Object.keys(report.codecs).filter((name) => name !== anchor && metrics.some((metric) => name in deltas[metric]));
  const rows = names.map((name) => [name, metrics.map((metric) => {
    const delta = deltas[metric][name];
    if (!delta) return make("td", delta === null ? "no overlap" : "–");
    const percent = comparable(delta);
    const cell = make("td", signed(percent), percent < 0 ? "less" : percent > 0 ? "more" : "");
    cell.append(make("small", `${signed(delta.percent)}, ${range([delta.low, delta.high])}`));
    return cell;
  })]);
  table(byId("rates-table"), ["codec", ...heads], rows);
}

function speeds() {
  const { speed } = report;
  if (!speed) return;
  byId("speed").hidden = false;
  const small = speed.width * speed.height < 500000 ? " So small an image shows mostly fixed costs." : "";
  const near = speed.near_psnr === null ? "" : `, every codec at its quality nearest to ${speed.near_psnr.toFixed(1)} dB`;
  const rounds = speed.repeats > 1 ? `medians of ${speed.repeats} rounds in which the codecs take turns` : "once, the codecs in turn";
  byId("speed-note").textContent =
    `Measured on ${speed.image}, ${speed.width}×${speed.height}${near}; ${rounds}, after a warm-up. ` +
    `Memory: the peak above what the process held before, in MB.${small}` +
    (speed.busy ? ` Other work left ${Math.round(100 * speed.core_fraction)} % of a core to these codecs: speeds say little.` : "");
  const good = Object.entries(speed.codecs).filter(([, one]) => !one.failed);
  const counts = [...new Set(good.flatMap(([, one]) => Object.keys(one.encode_mps)))];
  const heads = ["encode", "decode"].flatMap((way) => counts.map((n) => `${way} MP/s, ${n} core${n === "1" ? "" : "s"}`));
  const number = (value) => (value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2));
  const rows = Object.entries(speed.codecs).map(([name, one]) => one.failed
    ? without(name, one, 3 + heads.length)
    : [name, [
      withoutQuality(name) ? "" : String(one.quality),
      ...["encode_mps", "decode_mps"].flatMap((way) => counts.map((n) => number(one[way][n]))),
      ...[one.encode_mb, one.decode_mb].map((peak) => (peak === null ? "–" : peak.toFixed(0))),
    ]]);
  table(byId("speed-table"), ["codec", "quality", ...heads, "encode MB", "decode MB"], rows);
  const deltas = report.mean.bd_rate.psnr;
  if (!deltas) return byId("speed-chart").remove();
  const last = counts.at(-1);
  const series = good.filter(([name]) => name === report.anchor || deltas[name]).map(([name, one]) => {
    const [x, y] = [one.encode_mps[last], name === report.anchor ? 0 : comparable(deltas[name])];
    return { name, colour: colours[name], wide: name === SUBJECT, points: [{ x, y, tip: `${number(x)} MP/s, ${signed(y)}` }] };
  });
  chart(byId("speed-chart"), series,
    { x: `encoding, MP/s on ${last} core${last === "1" ? "" : "s"}`, y: `BD-rate, % against ${report.anchor} (PSNR-RGB), lower is better`, logX: true, names: true });
}

function conditions() {
  const list = (heading, entries, classes) => {
    if (!entries.length) return;
    const node = make("dl", undefined, classes);
    for (const [key, value] of entries) node.append(make("dt", key), make("dd", String(value)));
    byId("conditions").append(make("h3", heading), node);
  };
  const points = [
    "Every codec gets the same pixels, RGB or grey, writes a complete file, and is measured on what comes back from its bytes; container bytes count.",
    "Settings and tuning are named below. A codec tuned for the eye gives away PSNR; one tuned for PSNR may look worse than its figures.",
    "PSNR-RGB is over all 8-bit values, PSNR-Y over BT.601 luma, MS-SSIM the mean of the RGB channels.",
  ];
  if (report.metrics.ssimulacra2) points.push("SSIMULACRA 2 is that of a port to Python, close to the original, not equal: 90 can hardly be told from the source, 70 is high quality, 50 medium.");
  if (report.mode.kind !== "sweep") points.push(`Mode: --${report.mode.kind} ${report.mode.values.join(", ")}.`);
  const items = make("ul");
  items.append(...points.map((text) => make("li", text)));
  byId("conditions").append(items);
  list("Settings", Object.entries(report.codecs));
  const missing = Object.entries(report.not_measured), reasons = [...new Set(missing.map(([, reason]) => reason))];
  const named = (reason) => missing.filter(([, why]) => why === reason).map(([name]) => name).join(", ");
  list("Not measured", reasons.map((reason) => [named(reason), reason]));
  list("Skipped images", Object.entries(report.skipped));
  list("Images", report.images.map((one) => {
    const small = one.too_small_for.map((name) => `too small for ${title(name)}`);
    return [one.name, [`${one.width}×${one.height}`, one.note, ...small].filter(Boolean).join(", ")];
  }));
  list("Machine", Object.entries(report.machine), "short");
  list("Versions", Object.entries(report.versions), "short");
}

header();
if (report.images.length > 1 || report.published.length) byId("block").add(new Option(`mean of ${report.images.length} image${report.images.length > 1 ? "s" : ""}`, "mean"));
report.images.forEach((one, i) => byId("block").add(new Option(one.name, i)));
for (const metric of Object.keys(report.metrics)) byId("metric").add(new Option(title(metric), metric));
for (const id of ["block", "metric"]) byId(id).addEventListener("change", curves);
byId("anchor").addEventListener("change", rates);
legend();
rates();
speeds();
conditions();
curves();
let before = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== before) { before = innerWidth; curves(); }
});
if (comparisons.length) {
  byId("compare").hidden = false;
  if (left_out) byId("left-out").textContent =
    `${comparisons.length} of ${report.images.length} images, spread over all of them, so that this page does not grow too large.`;
  new Compare(comparisons, (name, one) => {
    if (name === "original") return ["original", `${one.width}×${one.height}`];
    const more = one.reached ? "" : ", its smallest";
    return [`${name}${withoutQuality(name) ? "" : `, quality ${+one.quality.toFixed(2)}`}`,
      `${Math.round(one.bytes).toLocaleString("en")} bytes${more}, ${one.psnr === null ? "lossless" : `${one.psnr.toFixed(1)} dB`}`];
  });
}
