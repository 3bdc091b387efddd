// Two images on top of each other, zoomed and moved by mouse, touch and keyboard, with a line between them to drag.

const LARGEST = 16; // screen pixels for one of the image

class Zoom {
  // stage, line: elements. size(): width and height of the image. fit(): the scale at which all of it is seen.
  // draw(): shows scale, x and y of the image's corner, and split, where the line is in percent.
  // step: factor of a key or button. wheels(event): whether the wheel zooms, and does not scroll the page.
  constructor({ stage, line, size, fit, draw, step, wheels = () => true }) {
    Object.assign(this, { stage, line, size, fitted: fit, draw, step, wheels });
    Object.assign(this, { scale: 1, least: 1, x: 0, y: 0, split: 50, pointers: new Map() });
    this.listen();
  }

  get zoomed() { return this.scale > this.least * 1.001; }

  fit() {
    this.scale = this.least = this.fitted();
    [this.x, this.y] = [0, 0];
    this.place();
  }

  zoom(scale, [x, y] = [this.stage.clientWidth / 2, this.stage.clientHeight / 2]) {
    const next = Math.max(this.least, Math.min(LARGEST, scale));
    this.x = x - ((x - this.x) * next) / this.scale;
    this.y = y - ((y - this.y) * next) / this.scale;
    this.scale = next;
    this.place();
  }

  nearer() { this.zoom(this.scale * this.step); }
  further() { this.zoom(this.scale / this.step); }

  pan(x, y) {
    this.x += x;
    this.y += y;
    this.place();
  }

  move(split) {
    this.split = Math.max(0, Math.min(100, split));
    this.place();
  }

  place() { // inside of the stage, or in its middle
    const { clientWidth, clientHeight } = this.stage, [width, height] = this.size();
    const inside = (at, room, size) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
    this.x = inside(this.x, clientWidth, width * this.scale);
    this.y = inside(this.y, clientHeight, height * this.scale);
    this.draw();
  }

  key({ key, shiftKey }) { // whether it is one that both pages have
    const arrow = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[key];
    if (arrow && shiftKey) this.pan(...arrow);
    else if (key === "+" || key === "=") this.nearer();
    else if (key === "-") this.further();
    else if (key === "0") this.fit();
    else return false;
    return true;
  }

  where(event) {
    const frame = this.stage.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  listen() {
    const { stage, pointers } = this;
    const follow = ([x]) => this.move((100 * x) / stage.clientWidth);
    let before; // where the line was
    stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, this.where(event));
      if (pointers.size === 1) before = this.split;
      else this.move(before); // the first finger of two has moved the line
      this.dragging = this.line.contains(event.target) || (!this.zoomed && !this.line.hidden);
      if (pointers.size === 1 && this.dragging) follow(this.where(event));
      stage.focus({ preventScroll: true });
    });
    stage.addEventListener("pointermove", (event) => {
      const last = pointers.get(event.pointerId);
      if (!last) return;
      const now = this.where(event);
      if (pointers.size === 2) {
        const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
        const far = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
        this.zoom((this.scale * far(now)) / far(last), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
      } else if (this.dragging) follow(now);
      else this.pan(now[0] - last[0], now[1] - last[1]);
      pointers.set(event.pointerId, now);
    });
    for (const name of ["pointerup", "pointercancel"])
      stage.addEventListener(name, (event) => pointers.delete(event.pointerId));
    stage.addEventListener("wheel", (event) => {
      if (!this.wheels(event)) return;
      event.preventDefault();
      this.zoom(this.scale * Math.exp(-event.deltaY / 300), this.where(event));
    }, { passive: false });
  }
}
