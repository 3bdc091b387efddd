// The comparison of two codecs: two canvases on top of each other, the right one cut at the line.

const GAIN = 8; // of the views that show errors

class Compare {
  constructor(comparisons, texts) {
    this.comparisons = comparisons;
    this.texts = texts; // name -> what is known of it, for the tags
    this.images = new Map(); // address -> promise of an image
    const find = (id) => document.getElementById(id);
    this.nodes = Object.fromEntries(
      ["image", "rate", "left", "right", "view", "stage", "over", "handle", "canvas-left", "canvas-right", "tag-left",
        "tag-right", "rate-label", "reference", "shown"].map((id) => [id, find(id)]));
    comparisons.forEach((one, i) => this.nodes.image.add(new Option(one.name, i)));
    for (const id of ["image", "rate", "left", "right", "view"])
      this.nodes[id].addEventListener("change", () => (id === "image" ? this.open() : id === "rate" ? this.fill() : this.paint()));
    this.zoom = new Zoom({
      stage: this.nodes.stage, line: this.nodes.handle, step: 2, wheels: (event) => event.ctrlKey,
      size: () => [this.current.width, this.current.height], fit: () => this.fitted(), draw: () => this.draw(),
    });
    find("zoom-in").addEventListener("click", () => this.zoom.nearer());
    find("zoom-out").addEventListener("click", () => this.zoom.further());
    find("zoom-fit").addEventListener("click", () => this.zoom.fit());
    find("swap").addEventListener("click", () => this.swap());
    this.nodes.stage.addEventListener("keydown", (event) => { if (this.key(event)) event.preventDefault(); });
    new ResizeObserver(() => this.zoom.fit()).observe(this.nodes.stage.parentElement);
    this.open();
  }

  get current() { return this.comparisons[this.nodes.image.value]; }
  get codecs() { return this.current.rates[this.nodes.rate.value].codecs; }

  open() {
    const rate = this.nodes.rate;
    rate.replaceChildren(...this.current.rates.map((one, i) => new Option(one.label, i)));
    this.nodes["rate-label"].hidden = this.current.rates.length < 2;
    this.nodes.shown.textContent = this.current.shown;
    this.fill();
    this.zoom.fit();
  }

  fill() {
    const names = Object.keys(this.codecs);
    const wanted = { left: names.slice(1).find((name) => name === "jpeg") ?? names[1] ?? "original", right: names[0] };
    for (const side of ["left", "right"]) {
      const select = this.nodes[side], before = select.value;
      select.replaceChildren(...[...names, "original"].map((name) => new Option(name, name)));
      select.value = [...names, "original"].includes(before) ? before : wanted[side];
    }
    this.nodes.reference.textContent = this.current.rates[this.nodes.rate.value].reference;
    this.paint();
  }

  swap() {
    const { left, right } = this.nodes;
    [left.value, right.value] = [right.value, left.value];
    this.paint();
  }

  load(address) {
    if (!this.images.has(address)) {
      const image = new Image();
      image.src = address;
      this.images.set(address, image.decode().then(() => image));
    }
    return this.images.get(address);
  }

  async pixels(name) {
    const { width, height } = this.current;
    const image = await this.load(name === "original" ? this.current.original : this.codecs[name].src);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  }

  async paint() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const { stage, view } = this.nodes;
    const mode = view.value;
    const sides = ["left", "right"].map((side) => [side, this.nodes[side].value]);
    stage.dataset.ready = "";
    const [left, right] = await Promise.all(sides.map(([, name]) => this.pixels(name)));
    const original = mode === "error" ? await this.pixels("original") : null;
    if (turn !== this.turn) return; // something else was chosen meanwhile
    if (mode === "error") for (const one of [left, right]) subtract(one.data, original.data);
    if (mode === "difference") {
      subtract(left.data, right.data);
      right.data.set(left.data);
    }
    for (const [side, data] of [["left", left], ["right", right]]) {
      const canvas = this.nodes[`canvas-${side}`];
      canvas.width = data.width;
      canvas.height = data.height;
      canvas.getContext("2d").putImageData(data, 0, 0);
    }
    for (const [side, name] of sides) {
      const lines = this.texts(name, name === "original" ? this.current : this.codecs[name]);
      const strong = document.createElement("b");
      strong.textContent = lines[0];
      this.nodes[`tag-${side}`].replaceChildren(strong, lines[1]);
    }
    stage.dataset.ready = `${sides[0][1]} ${sides[1][1]} ${mode}`;
  }

  fitted() { // the scale, to which the stage is made
    const { width, height } = this.current, { stage } = this.nodes;
    const room = stage.parentElement;
    const style = getComputedStyle(room);
    const wide = room.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const maxScale = Math.max(1, Math.floor(600 / width)); // small images may grow, by whole numbers
    const scale = Math.min(maxScale, wide / width, Math.max(320, window.innerHeight * 0.8) / height);
    stage.style.width = `${width * scale}px`;
    stage.style.height = `${height * scale}px`;
    return scale;
  }

  draw() {
    const { stage, over, handle } = this.nodes, { scale, x, y, split } = this.zoom;
    for (const side of ["left", "right"]) {
      const { style } = this.nodes[`canvas-${side}`];
      style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      style.imageRendering = scale >= 2 ? "pixelated" : "auto";
    }
    stage.classList.toggle("zoomed", this.zoom.zoomed);
    over.style.clipPath = `inset(0 0 0 ${split}%)`;
    handle.style.left = `${split}%`;
    stage.setAttribute("aria-valuenow", Math.round(split));
    stage.setAttribute("aria-valuetext", `${Math.round(split)} % left, zoom ${Math.round(scale * 100)} %`);
  }

  key(event) { // whether it is one of this page
    const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key], { view } = this.nodes;
    if (this.zoom.key(event)) return true;
    if (step) this.zoom.move(this.zoom.split + step);
    else if (event.key === "Home") this.zoom.move(0);
    else if (event.key === "End") this.zoom.move(100);
    else if (event.key === "x") this.swap();
    else if (event.key === "d") {
      view.selectedIndex = (view.selectedIndex + 1) % view.length;
      this.paint();
    } else return false;
    return true;
  }
}

function subtract(data, other) {
  for (let i = 0; i < data.length; i += 4)
    for (let c = i; c < i + 3; c++) data[c] = GAIN * Math.abs(data[c] - other[c]);
}
