// A scatter or line chart as SVG: axes with round numbers, a tip for the nearest point.

const SVG = "http://www.w3.org/2000/svg";

function draw(parent, name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function ticks(low, high, log) {
  const found = [];
  if (log) {
    for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade++)
      for (const step of [1, 2, 5]) found.push(step * 10 ** decade);
  } else {
    const raw = (high - low) / 6;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
    for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(i * step);
  }
  return found.filter((value) => value >= low * (log ? 0.999 : 1) - 1e-9 && value <= high * (log ? 1.001 : 1) + 1e-9);
}

// series: [{name, colour, points: [{x, y, tip}], wide, dashed}]; options: {x, y: titles, logX, lines, names}
function chart(parent, series, options) {
  parent.replaceChildren();
  const narrow = parent.clientWidth < 560;
  const width = narrow ? 420 : 1000, height = narrow ? 360 : 480;
  const box = { left: 46, right: width - 14, top: 28, bottom: height - 44 };
  const all = series.flatMap((one) => one.points);
  const svg = draw(parent, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${options.y} by ${options.x}` });
  if (!all.length) {
    draw(svg, "text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "nothing to show");
    return;
  }
  const range = (axis, log) => {
    const values = all.map((point) => point[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (log) return [low / 1.15, high * 1.15];
    const space = (high - low || 1) * 0.06;
    return [low - space, high + space];
  };
  const [x0, x1] = range("x", options.logX), [y0, y1] = range("y");
  const scale = options.logX ? Math.log : (value) => value;
  const px = (x) => box.left + ((scale(x) - scale(x0)) / (scale(x1) - scale(x0))) * (box.right - box.left);
  const py = (y) => box.bottom - ((y - y0) / (y1 - y0)) * (box.bottom - box.top);
  const number = (value) => String(+value.toPrecision(6)).replace("-", "−");
  for (const tick of ticks(x0, x1, options.logX)) {
    draw(svg, "line", { class: "grid", x1: px(tick), x2: px(tick), y1: box.top, y2: box.bottom });
    draw(svg, "text", { x: px(tick), y: box.bottom + 18, "text-anchor": "middle" }, number(tick));
  }
  for (const tick of ticks(y0, y1)) {
    draw(svg, "line", { class: "grid", x1: box.left, x2: box.right, y1: py(tick), y2: py(tick) });
    draw(svg, "text", { x: box.left - 8, y: py(tick) + 4, "text-anchor": "end" }, number(tick));
  }
  draw(svg, "text", { x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, options.x);
  draw(svg, "text", { x: 2, y: 14 }, options.y);
  const marks = [];
  for (const one of series) {
    const places = one.points.map((point) => [px(point.x), py(point.y)]);
    const stroke = one.wide ? 3.4 : 1.8;
    if (options.lines)
      draw(svg, "polyline", {
        points: places.join(" "), fill: "none", stroke: one.colour, "stroke-width": stroke, "stroke-linejoin": "round",
        "stroke-dasharray": one.dashed ? "6 4" : "none",
      });
    places.forEach(([cx, cy], i) => {
      const alone = places.length === 1; // of one quality, or no curve at all
      draw(svg, "circle", { cx, cy, r: alone ? (one.wide ? 8 : 6) : stroke + 0.6, fill: one.colour });
      marks.push({ cx, cy, name: one.name, tip: one.points[i].tip });
    });
  }
  if (options.names) {
    const taken = marks.map(({ cx, cy }) => [cx - 7, cx + 7, cy - 7, cy + 7]); // names lie neither on marks nor on names
    for (const mark of marks) {
      const long = 8 * mark.name.length;
      const places = [["start", 11, 4], ["end", -11, 4], ["middle", 0, -12], ["middle", 0, 20], ["start", 11, 17], ["start", 11, -9]];
      const frame = ([anchor, dx, dy]) => {
        const from = mark.cx + dx - { start: 0, middle: long / 2, end: long }[anchor];
        return [from, from + long, mark.cy + dy - 11, mark.cy + dy + 3];
      };
      const free = ([x0, x1, y0, y1]) => x0 >= box.left && x1 <= width && y0 >= box.top && y1 <= box.bottom
        && !taken.some((other) => other[0] < x1 && x0 < other[1] && other[2] < y1 && y0 < other[3]);
      const place = places.find((one) => free(frame(one))) ?? places[0];
      taken.push(frame(place));
      draw(svg, "text", { class: "name", x: mark.cx + place[1], y: mark.cy + place[2], "text-anchor": place[0] }, mark.name);
    }
  }
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  parent.append(tip);
  const show = (event) => {
    const frame = svg.getBoundingClientRect();
    const ratio = width / frame.width;
    const [x, y] = [(event.clientX - frame.left) * ratio, (event.clientY - frame.top) * ratio];
    const far = (mark) => Math.hypot(mark.cx - x, mark.cy - y);
    const near = marks.reduce((best, mark) => (far(mark) < far(best) ? mark : best));
    tip.hidden = far(near) > 60 * Math.max(1, ratio);
    if (tip.hidden) return;
    tip.textContent = `${near.name}: ${near.tip}`;
    const left = near.cx / ratio;
    tip.style.left = `${Math.max(0, Math.min(left + 12, frame.width - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, near.cy / ratio - 40)}px`;
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
}
