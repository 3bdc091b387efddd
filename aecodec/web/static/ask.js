// Requests of the gallery where it lies as files on any server, in place of ask.js.

const find = (id) => document.getElementById(id);
find("tools").hidden = true; // nobody compresses, or makes what to compare with
find("file").accept = ".aez";
find("drop").textContent = "Drop an .aez file to see it";

const KINDS = { file: ["files", ""], thumbnail: ["thumbnails", ".png"], picture: ["pictures", ".png"] };
const gallery = ask("gallery.json").then((answer) => answer.json());
gallery.catch(() => {}); // whoever needs it says so

/** The address of a picture: the file itself, its thumbnail, or all of it decoded. */
export const at = (path, name) => {
  const [folder, ending] = KINDS[path];
  return `${folder}/${name.split("/").map(encodeURIComponent).join("/")}${ending}`;
};

/** Folders and pictures of a folder. */
export async function list(name) {
  const { folders } = await gallery;
  if (!Object.hasOwn(folders, name)) throw new Error("no such file in this folder");
  return folders[name];
}

/** Whether a picture is decoded elsewhere: whether it lies there. */
export const decodes = (picture) => picture.made;

/** What the decoder of the browser may decode of that: nothing, as it need not. */
export const about = async () => ({ models: [], limits: (await gallery).limits });

/** Fetches; an answer that is none is an Error. */
export async function ask(address, options) {
  if (options?.method === "POST") throw new Error("This is no .aez file. Images are compressed by aecodec itself.");
  const answer = await fetch(address, options).catch((error) => {
    throw error.name === "AbortError" ? error : new Error("the server does not answer");
  });
  if (!answer.ok) throw new Error(`${decodeURIComponent(address)}: the server answers ${answer.status} ${answer.statusText}`);
  return answer;
}
