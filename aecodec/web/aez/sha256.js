/** sha256 of bytes in hexadecimal. Browsers have it in secure contexts: https, and the machine itself. */
export async function sha256(bytes) {
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
