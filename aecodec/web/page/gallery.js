// The gallery: folders and pictures of the server or of an export; one picture at a time with zoom and a line to compare.

import { ask, at, list } from "./ask.js";
import { decodedHere } from "./decode.js";

const find = (id) => document.getElementById(id);
const amount = (bytes) => (bytes < 1e4 ? `${bytes} bytes` : bytes < 1e7 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const join = (folder, name) => (folder ? `${folder}/${name}` : name);

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
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
    const { folders, pictures } = await list(name);
    if (folder.name !== name) return; // left meanwhile
    Object.assign(folder, { name, pictures });
    find("folders").append(...folders.map((inside) =>
      make("li", {}, make("a", { href: `#/${[...parts, inside].map(encodeURIComponent).join("/")}/`, textContent: `${inside}/` }))));
    find("pictures").append(...pictures.map((picture, i) => {
      const frame = make("span", { className: "frame" });
      frame.dataset.name = join(name, picture.name);
      if (picture.error) frame.append(make("span", { textContent: picture.error }));
      else seen.observe(frame);
      const size = picture.error ? "not shown" : `${picture.width} × ${picture.height}`;
      const text = make("span", { className: "text" }, picture.name, make("small", { textContent: `${size}, ${amount(picture.bytes)}` }));
      return make("li", {}, make("button", { onclick: () => (location.hash = hashOf(i)) }, frame, text));
    }));
    if (!folders.length && !pictures.length)
      find("empty").textContent = `There are no .aez files in this folder. ${find("drop").textContent}.`;
  } catch (error) {
    if (folder.name === name) find("empty").textContent = error.message;
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
    folder.opened = openFolder(place);
  }
  await folder.opened;
  const i = folder.pictures.findIndex((picture) => picture.name === file);
  if (file) view.show(i < 0 ? { name: file, error: "no such file in this folder" } : { ...folder.pictures[i], path: join(place, file), i });
  else if (view.current) view.close();
}

// One picture

const view = {
  current: null, turn: new AbortController(),

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
    const { width, height, bytes, quality, exact, by } = this.current;
    const said = [];
    if (width) said.push(`${width} × ${height}`);
    if (bytes) said.push(amount(bytes));
    if (width && bytes) said.push(`${((8 * bytes) / width / height).toFixed(2)} bpp`);
    if (exact) said.push("lossless");
    else if (quality) said.push(`quality ${Math.round(quality * 10) / 10}`);
    if (by) said.push(by);
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
      const blob = (await decodedHere(current, turn.signal)) ?? (await this.decodedThere(current, turn.signal));
      if (turn !== this.turn) return;
      await this.put("right", blob);
      if (turn !== this.turn) return;
      this.tell();
      find("message").hidden = true;
      find("stage").setAttribute("aria-label", `${current.name}, ${find("about").textContent}`);
      zoom.fit();
      this.ready = true;
      await this.compare();
    } catch (error) {
      if (turn === this.turn) this.fail(error.message);
    }
  },

  async decodedThere(current, signal) {
    const options = current.blob ? { method: "POST", body: current.blob } : {};
    const answer = await ask(current.blob ? "show" : at("picture", current.path), { ...options, signal });
    if (answer.headers.has("X-About")) Object.assign(current, JSON.parse(answer.headers.get("X-About")));
    return answer.blob();
  },

  async put(id, blob) {
    const image = find(id);
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
    await image.decode().catch(() => { throw new Error("the browser cannot show this picture"); });
    image.hidden = false;
  },

  async compare() {
    const { current, turn } = this, other = find("other").value, comparison = (this.comparison = {});
    const over = () => turn !== this.turn || comparison !== this.comparison;
    for (const id of ["left", "line", "tag-left", "tag-right", "message"]) find(id).hidden = true;
    find("split").disabled = true;
    zoom.place();
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
      if (over()) return;
      await this.put("left", blob);
      if (over()) return;
      find("tag-left").textContent = text;
      find("tag-right").textContent = `aez, ${amount(current.bytes)}`;
      for (const id of ["line", "tag-left", "tag-right"]) find(id).hidden = false;
      find("message").hidden = true;
      find("split").disabled = false;
      zoom.place();
    } catch (error) {
      if (over()) return;
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
    if (i === undefined) return;
    this.current.i = (i + by + count) % count; // the next step may come before the page has followed this one
    location.hash = hashOf(this.current.i);
  },

  draw() {
    const { clientWidth } = find("stage"), { naturalWidth, naturalHeight } = find("right"), { scale, x, y, split } = zoom;
    for (const id of ["left", "right"]) {
      const image = find(id);
      image.style.width = `${naturalWidth}px`;
      image.style.height = `${naturalHeight}px`;
      image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    }
    const cut = find("line").hidden ? 0 : Math.max(0, ((clientWidth * split) / 100 - x) / scale);
    find("right").style.clipPath = `inset(0 0 0 ${cut}px)`;
    find("line").style.left = `${split}%`;
    find("split").value = split;
    find("stage").classList.toggle("sharp", scale > 2);
  },
};

const size = () => [find("right").naturalWidth, find("right").naturalHeight];
const zoom = new Zoom({
  stage: find("stage"), line: find("line"), step: 1.5, size, draw: () => view.draw(),
  fit() {
    const { clientWidth, clientHeight } = find("stage"), [width, height] = size();
    return width ? Math.min(clientWidth / width, clientHeight / height, LARGEST) : 1;
  },
});

function listen() {
  const stage = find("stage");
  stage.addEventListener("dblclick", (event) => (zoom.zoomed ? zoom.fit() : zoom.zoom(Math.max(1, zoom.least * 2), zoom.where(event))));
  find("viewer").addEventListener("keydown", (event) => {
    if (event.target.matches("select, input")) return;
    const pan = { ArrowUp: 60, ArrowDown: -60 }[event.key], step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const line = { ",": -2, ".": 2 }[event.key];
    if (zoom.key(event)) ;
    else if (pan) zoom.pan(0, pan);
    else if (step) view.step(step);
    else if (line) zoom.move(zoom.split + line);
    else return;
    event.preventDefault();
  });
  find("viewer").addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
  find("close").addEventListener("click", leave);
  find("previous").addEventListener("click", () => view.step(-1));
  find("next").addEventListener("click", () => view.step(1));
  find("in").addEventListener("click", () => zoom.nearer());
  find("out").addEventListener("click", () => zoom.further());
  find("fit").addEventListener("click", () => zoom.fit());
  find("other").addEventListener("change", () => view.compare());
  find("split").addEventListener("input", (event) => zoom.move(Number(event.target.value)));
  find("quality").addEventListener("change", () => compress(view.current.source));
  new ResizeObserver(() => view.current && zoom.fit()).observe(stage);
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
  view.show({ name: file.name, source: file, error: " " });
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
