// The comparison of two codecs: two canvases on top of each other, the right one cut at the line.

const GAIN = 8; // of the views that show errors
const LARGEST = 16; // times a pixel

class Compare {
  constructor(comparisons, texts) {
    this.comparisons = comparisons;
    this.texts = texts; // name -> what is known of it, for the tags
    this.images = new Map(); // address -> promise of an image
    this.split = 50; // where the line is, percent
    this.pointers = new Map();
    const find = (id) => document.getElementById(id);
    this.nodes = Object.fromEntries(
      ["image", "rate", "left", "right", "view", "stage", "over", "handle", "canvas-left", "canvas-right", "tag-left",
        "tag-right", "rate-label", "reference", "shown"].map((id) => [id, find(id)]));
    comparisons.forEach((one, i) => this.nodes.image.add(new Option(one.name, i)));
    for (const id of ["image", "rate", "left", "right", "view"])
      this.nodes[id].addEventListener("change", () => (id === "image" ? this.open() : id === "rate" ? this.fill() : this.paint()));
    find("zoom-in").addEventListener("click", () => this.zoomAt(this.scale * 2));
    find("zoom-out").addEventListener("click", () => this.zoomAt(this.scale / 2));
    find("zoom-fit").addEventListener("click", () => this.fit());
    find("swap").addEventListener("click", () => this.swap());
    this.listen();
    new ResizeObserver(() => this.fit()).observe(this.nodes.stage.parentElement);
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
    this.fit();
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

  fit() {
    const { width, height } = this.current, { stage } = this.nodes;
    const room = stage.parentElement;
    const style = getComputedStyle(room);
    const wide = room.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const maxScale = Math.max(1, Math.floor(600 / width)); // small images may grow, by whole numbers
    this.minScale = Math.min(maxScale, wide / width, Math.max(320, window.innerHeight * 0.8) / height);
    stage.style.width = `${width * this.minScale}px`;
    stage.style.height = `${height * this.minScale}px`;
    this.scale = this.minScale;
    [this.x, this.y] = [0, 0];
    this.place();
  }

  zoomAt(scale, at) {
    const { stage } = this.nodes;
    const [x, y] = at ?? [stage.clientWidth / 2, stage.clientHeight / 2];
    const next = Math.max(this.minScale, Math.min(LARGEST, scale));
    this.x = x - ((x - this.x) * next) / this.scale;
    this.y = y - ((y - this.y) * next) / this.scale;
    this.scale = next;
    this.place();
  }

  place() {
    const { stage, over, handle } = this.nodes;
    const { width, height } = this.current;
    this.x = Math.min(0, Math.max(stage.clientWidth - width * this.scale, this.x));
    this.y = Math.min(0, Math.max(stage.clientHeight - height * this.scale, this.y));
    for (const side of ["left", "right"]) {
      const { style } = this.nodes[`canvas-${side}`];
      style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
      style.imageRendering = this.scale >= 2 ? "pixelated" : "auto";
    }
    stage.classList.toggle("zoomed", this.zoomed);
    over.style.clipPath = `inset(0 0 0 ${this.split}%)`;
    handle.style.left = `${this.split}%`;
    stage.setAttribute("aria-valuenow", Math.round(this.split));
    stage.setAttribute("aria-valuetext", `${Math.round(this.split)} % left, zoom ${Math.round(this.scale * 100)} %`);
  }

  get zoomed() { return this.scale > this.minScale * 1.001; }

  move(split) {
    this.split = Math.max(0, Math.min(100, split));
    this.place();
  }

  listen() {
    const { stage, handle } = this.nodes;
    const where = (event) => {
      const frame = stage.getBoundingClientRect();
      return [event.clientX - frame.left, event.clientY - frame.top];
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      stage.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, where(event));
      if (this.pointers.size === 1) this.before = this.split;
      else this.move(this.before); // the first finger of two has moved the line
      this.panning = this.zoomed && !handle.contains(event.target);
      if (this.pointers.size === 1 && !this.panning) this.move((100 * where(event)[0]) / stage.clientWidth);
      stage.focus({ preventScroll: true });
    });
    stage.addEventListener("pointermove", (event) => {
      const before = this.pointers.get(event.pointerId);
      if (!before) return;
      const now = where(event);
      if (this.pointers.size === 2) {
        const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
        const far = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
        this.zoomAt((this.scale * far(now)) / far(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
      } else if (this.panning) {
        this.x += now[0] - before[0];
        this.y += now[1] - before[1];
        this.place();
      } else this.move((100 * now[0]) / stage.clientWidth);
      this.pointers.set(event.pointerId, now);
    });
    for (const name of ["pointerup", "pointercancel"])
      stage.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return; // the page scrolls
      event.preventDefault();
      this.zoomAt(this.scale * Math.exp(-event.deltaY / 200), where(event));
    }, { passive: false });
    stage.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (step && event.shiftKey) {
        this.x -= step[0] * 60;
        this.y -= step[1] * 60;
        this.place();
      } else if (step && step[0]) this.move(this.split + step[0] * 2);
      else if (event.key === "Home") this.move(0);
      else if (event.key === "End") this.move(100);
      else if (event.key === "+" || event.key === "=") this.zoomAt(this.scale * 2);
      else if (event.key === "-") this.zoomAt(this.scale / 2);
      else if (event.key === "0") this.fit();
      else if (event.key === "x") this.swap();
      else if (event.key === "d") {
        const { view } = this.nodes;
        view.selectedIndex = (view.selectedIndex + 1) % view.length;
        this.paint();
      } else return;
      event.preventDefault();
    });
  }
}

function subtract(data, other) {
  for (let i = 0; i < data.length; i += 4)
    for (let c = i; c < i + 3; c++) data[c] = GAIN * Math.abs(data[c] - other[c]);
}
