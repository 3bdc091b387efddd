// Requests to the server. In an export by `aecodec serve --export`, static/ask.js takes its place.

history.replaceState(null, "", location.pathname + location.hash); // the key is in a cookie now

/** Whether a picture is decoded elsewhere, if not by the browser. */
export const decodes = () => true;

/** The address of a picture under one of the server's paths. */
export const at = (path, name) => `${path}?name=${encodeURIComponent(name)}`;

/** Folders and pictures of a folder. */
export const list = async (name) => (await ask(at("list", name))).json();

/** What the decoder of the browser may decode. */
export const about = async () => (await ask("decoder")).json();

/** Fetches; an answer that is none, or that says what is wrong, is an Error. */
export async function ask(address, options) {
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
