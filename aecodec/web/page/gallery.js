// The gallery: folders and pictures of the server; one picture at a time with zoom and a line to compare.

const LARGEST = 16; // screen pixels for one of the picture
history.replaceState(null, "", location.pathname + location.hash); // the key is in a cookie now
const find = (id) => document.getElementById(id);
const amount = (bytes) => (bytes < 1e4 ? `${bytes} bytes` : bytes < 1e7 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const join = (folder, name) => (folder ? `${folder}/${name}` : name);
const at = (path, name) => `${path}?name=${encodeURIComponent(name)}`;

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer; is aecodec serve still running?");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

// The folder

const folder = { name: "", pictures: [] };
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries)
    if (isIntersecting) {
      seen.unobserve(target);
      thumbnail(target);
    }
}, { rootMargin: "300px" });

async function thumbnail(frame) {
  try {
    const blob = await (await ask(at("thumbnail", frame.dataset.name))).blob();
    frame.replaceChildren(make("img", { alt: "", src: URL.createObjectURL(blob), onload: (event) => URL.revokeObjectURL(event.target.src) }));
  } catch (error) {
    frame.replaceChildren(make("span", { textContent: error.message }));
  }
}

async function openFolder(name) {
  const parts = name ? name.split("/") : [];
  find("path").replaceChildren(...["aecodec", ...parts].flatMap((part, i) => {
    const link = make("a", { href: `#/${parts.slice(0, i).map(encodeURIComponent).join("/")}${i ? "/" : ""}`, textContent: part });
    return i ? ["/", link] : [link];
  }));
  seen.disconnect();
  find("folders").replaceChildren();
  find("pictures").replaceChildren();
  find("empty").textContent = "";
  try {
    const list = await (await ask(at("list", name))).json();
    Object.assign(folder, { name, pictures: list.pictures });
    find("folders").append(...list.folders.map((inside) =>
      make("li", {}, make("a", { href: `#/${[...parts, inside].map(encodeURIComponent).join("/")}/`, textContent: `${inside}/` }))));
    find("pictures").append(...list.pictures.map((picture, i) => {
      const frame = make("span", { className: "frame" });
      frame.dataset.name = join(name, picture.name);
      if (picture.error) frame.append(make("span", { textContent: picture.error }));
      else seen.observe(frame);
      const size = picture.error ? "not shown" : `${picture.width} × ${picture.height}`;
      const text = make("span", { className: "text" }, picture.name, make("small", { textContent: `${size}, ${amount(picture.bytes)}` }));
      return make("li", {}, make("button", { onclick: () => (location.hash = hashOf(i)) }, frame, text));
    }));
    if (!list.folders.length && !list.pictures.length)
      find("empty").textContent = "There are no .aez files in this folder. Drop an image here to compress it.";
  } catch (error) {
    find("empty").textContent = error.message;
  }
}

const hashOf = (i) => `#/${join(folder.name, folder.pictures[i].name).split("/").map(encodeURIComponent).join("/")}`;

async function follow() { // #/folder/ is a folder, #/folder/a.aez a picture in it
  let name;
  try {
    name = decodeURIComponent(location.hash.replace(/^#\/?/, "").replaceAll("%2F", "/"));
  } catch {
    name = "";
  }
  const slash = name.lastIndexOf("/"), file = name.slice(slash + 1), place = slash < 0 ? "" : name.slice(0, slash);
  if (place !== folder.name || !folder.opened) {
    folder.name = place;
    folder.opened = true;
    await openFolder(place);
  }
  const i = folder.pictures.findIndex((picture) => picture.name === file);
  if (file) view.show(i < 0 ? { name: file, error: "no such file in this folder" } : { ...folder.pictures[i], path: join(place, file), i });
  else if (view.current) view.close();
}

// One picture

const view = {
  current: null, scale: 1, least: 1, x: 0, y: 0, split: 50, pointers: new Map(), turn: new AbortController(),

  show(picture) { // name, bytes, and path on the server, or blob, or error
    const other = find("other").value;
    this.current = picture;
    this.turn.abort();
    this.turn = new AbortController();
    find("name").textContent = picture.name;
    find("save").hidden = !picture.save;
    find("quality-label").hidden = !picture.source;
    if (picture.save) Object.assign(find("save"), { href: picture.save, download: picture.name });
    for (const id of ["previous", "next"]) find(id).disabled = picture.i === undefined;
    find("other").value = picture.source && !other ? "original" : other;
    this.tell();
    this.clear();
    if (!find("viewer").open) find("viewer").showModal();
    find("stage").focus();
    if (picture.error) this.fail(picture.error);
    else this.load();
  },

  tell() {
    const { width, height, bytes, quality, exact } = this.current;
    const said = [];
    if (width) said.push(`${width} × ${height}`);
    if (bytes) said.push(amount(bytes));
    if (width && bytes) said.push(`${((8 * bytes) / width / height).toFixed(2)} bpp`);
    if (exact) said.push("lossless");
    else if (quality) said.push(`quality ${Math.round(quality * 10) / 10}`);
    find("about").textContent = said.join(", ");
  },

  clear() {
    for (const id of ["left", "right"]) {
      if (find(id).src) URL.revokeObjectURL(find(id).src);
      find(id).removeAttribute("src");
      find(id).hidden = true;
    }
    for (const id of ["line", "tag-left", "tag-right", "message"]) find(id).hidden = true;
    find("split").disabled = true;
    this.ready = false;
  },

  say(text, bad = false) {
    Object.assign(find("message"), { textContent: text, hidden: false, className: bad ? "bad" : "" });
  },

  fail(text) {
    this.clear();
    this.say(text, true);
  },

  async load() {
    const { current, turn } = this;
    this.say("decoding …");
    try {
      const options = current.blob ? { method: "POST", body: current.blob } : {};
      const answer = await ask(current.blob ? "show" : at("picture", current.path), { ...options, signal: turn.signal });
      if (answer.headers.has("X-About")) Object.assign(current, JSON.parse(answer.headers.get("X-About")));
      await this.put("right", await answer.blob());
      if (turn !== this.turn) return;
      this.tell();
      find("message").hidden = true;
      find("stage").setAttribute("aria-label", `${current.name}, ${find("about").textContent}`);
      this.fit();
      this.ready = true;
      await this.compare();
    } catch (error) {
      if (turn === this.turn) this.fail(error.message);
    }
  },

  async put(id, blob) {
    const image = find(id);
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
    await image.decode().catch(() => { throw new Error("the browser cannot show this picture"); });
    image.hidden = false;
  },

  async compare() {
    const { current, turn } = this, other = find("other").value;
    for (const id of ["left", "line", "tag-left", "tag-right", "message"]) find(id).hidden = true;
    find("split").disabled = true;
    this.place();
    if (!other || !this.ready) return;
    this.say("making the other picture …");
    try {
      let blob = current.source, text = "original";
      if (other === "jpeg") {
        const body = current.source ?? current.blob;
        const answer = await ask(body ? `jpeg?bytes=${current.bytes}` : at("jpeg", current.path),
          { ...(body ? { method: "POST", body } : {}), signal: turn.signal });
        blob = await answer.blob();
        text = `JPEG, ${amount(blob.size)}${answer.headers.get("X-Made-Of") === "decoded" ? ", of the decoded picture" : ""}`;
      } else if (!current.source) {
        if (!current.path) throw new Error("there is no original of a dropped file");
        blob = await (await ask(at("original", current.path), { signal: turn.signal })).blob();
      }
      await this.put("left", blob);
      if (turn !== this.turn || other !== find("other").value) return;
      find("tag-left").textContent = text;
      find("tag-right").textContent = `aez, ${amount(current.bytes)}`;
      for (const id of ["line", "tag-left", "tag-right"]) find(id).hidden = false;
      find("message").hidden = true;
      find("split").disabled = false;
      this.place();
    } catch (error) {
      if (turn !== this.turn) return;
      const text = other === "original" && /no such file/.test(error.message) ? "The original does not lie beside this file." : error.message;
      find("left").hidden = true;
      this.say(text, true);
    }
  },

  close() {
    this.turn.abort();
    this.clear();
    this.current = null;
    if (find("viewer").open) find("viewer").close();
  },

  step(by) {
    const { i } = this.current, count = folder.pictures.length;
    if (i !== undefined) location.hash = hashOf((i + by + count) % count);
  },

  // Zoom and line

  fit() {
    const { clientWidth, clientHeight } = find("stage"), { naturalWidth, naturalHeight } = find("right");
    if (!naturalWidth) return;
    this.least = Math.min(clientWidth / naturalWidth, clientHeight / naturalHeight, LARGEST);
    this.scale = this.least;
    this.place();
  },

  zoom(scale, x, y) {
    const { clientWidth, clientHeight } = find("stage");
    [x, y] = [x ?? clientWidth / 2, y ?? clientHeight / 2];
    const next = Math.max(this.least, Math.min(LARGEST, scale));
    this.x = x - ((x - this.x) * next) / this.scale;
    this.y = y - ((y - this.y) * next) / this.scale;
    this.scale = next;
    this.place();
  },

  place() {
    const { clientWidth, clientHeight } = find("stage"), { naturalWidth, naturalHeight } = find("right");
    const inside = (at, room, size) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
    this.x = inside(this.x, clientWidth, naturalWidth * this.scale);
    this.y = inside(this.y, clientHeight, naturalHeight * this.scale);
    for (const id of ["left", "right"]) {
      const image = find(id);
      image.style.width = `${naturalWidth}px`;
      image.style.height = `${naturalHeight}px`;
      image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    }
    const at = (clientWidth * this.split) / 100;
    const cut = find("line").hidden ? 0 : Math.max(0, (at - this.x) / this.scale);
    find("right").style.clipPath = `inset(0 0 0 ${cut}px)`;
    find("line").style.left = `${this.split}%`;
    find("split").value = this.split;
    find("stage").classList.toggle("sharp", this.scale > 2);
  },

  move(split) {
    this.split = Math.max(0, Math.min(100, split));
    this.place();
  },
};

function listen() {
  const stage = find("stage");
  const where = (event) => {
    const frame = stage.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    view.onLine = event.target === find("line");
    view.pointers.set(event.pointerId, where(event));
  });
  stage.addEventListener("pointermove", (event) => {
    const before = view.pointers.get(event.pointerId);
    if (!before) return;
    const now = where(event);
    if (view.pointers.size === 2) {
      const other = [...view.pointers].find(([id]) => id !== event.pointerId)[1];
      const far = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      view.zoom((view.scale * far(now)) / far(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else if (view.onLine) view.move((100 * now[0]) / stage.clientWidth);
    else {
      view.x += now[0] - before[0];
      view.y += now[1] - before[1];
      view.place();
    }
    view.pointers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => view.pointers.delete(event.pointerId));
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom(view.scale * Math.exp(-event.deltaY / 300), ...where(event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => (view.scale > view.least * 1.01 ? view.fit() : view.zoom(Math.max(1, view.least * 2), ...where(event))));
  find("viewer").addEventListener("keydown", (event) => {
    if (event.target.matches("select, input")) return;
    const pan = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (pan && (event.shiftKey || pan[1])) {
      view.x += pan[0];
      view.y += pan[1];
      view.place();
    } else if (pan) view.step(Math.sign(-pan[0]));
    else if (event.key === "+" || event.key === "=") view.zoom(view.scale * 1.5);
    else if (event.key === "-") view.zoom(view.scale / 1.5);
    else if (event.key === "0") view.fit();
    else if (event.key === "," || event.key === ".") view.move(view.split + (event.key === "." ? 2 : -2));
    else return;
    event.preventDefault();
  });
  find("viewer").addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
  find("close").addEventListener("click", leave);
  find("previous").addEventListener("click", () => view.step(-1));
  find("next").addEventListener("click", () => view.step(1));
  find("in").addEventListener("click", () => view.zoom(view.scale * 1.5));
  find("out").addEventListener("click", () => view.zoom(view.scale / 1.5));
  find("fit").addEventListener("click", () => view.fit());
  find("other").addEventListener("change", () => view.compare());
  find("split").addEventListener("input", (event) => view.move(Number(event.target.value)));
  find("quality").addEventListener("change", () => compress(view.current.source));
  new ResizeObserver(() => view.current && view.fit()).observe(stage);
  find("file").addEventListener("change", (event) => { take(event.target.files[0]); event.target.value = ""; });
  addEventListener("hashchange", follow);
  for (const name of ["dragenter", "dragover"])
    addEventListener(name, (event) => { event.preventDefault(); find("drop").hidden = false; });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) find("drop").hidden = true; });
  addEventListener("drop", (event) => {
    event.preventDefault();
    find("drop").hidden = true;
    take(event.dataTransfer.files[0]);
  });
}

function leave() {
  const place = folder.name ? `#/${folder.name.split("/").map(encodeURIComponent).join("/")}/` : "#/";
  view.close();
  if (location.hash && location.hash !== place) location.hash = place;
}

// Files of the user

async function take(file) {
  if (!file) return;
  const start = new Uint8Array(await file.slice(0, 6).arrayBuffer());
  const isAez = file.name.toLowerCase().endsWith(".aez") || "\x89AEZ\r\n" === String.fromCharCode(...start);
  if (isAez) view.show({ name: file.name, bytes: file.size, blob: file });
  else compress(file);
}

async function compress(file) {
  const name = `${file.name.replace(/\.[^.]*$/, "")}.aez`, quality = Number(find("quality").value) || 75;
  view.show({ name, source: file, error: " " });
  view.say("compressing …");
  const { turn } = view;
  try {
    const blob = await (await ask(`compress?quality=${quality}`, { method: "POST", body: file, signal: turn.signal })).blob();
    if (turn === view.turn) view.show({ name, bytes: blob.size, blob, source: file, save: URL.createObjectURL(blob) });
  } catch (error) {
    if (turn === view.turn) view.fail(error.message);
  }
}

listen();
follow();
