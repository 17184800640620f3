"use strict";

// Passkeys (Web Authentication Level 3 §5.1). A form says what it is for; what to ask the browser comes from this
// site when the button is pressed, and the answer goes back by the form, as any other.
(() => {
  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));

  const websafe = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  const known = (listed) => listed?.map((each) => ({ ...each, id: bytes(each.id) }));

  const ask = {
    async create(options) {
      const user = { ...options.user, id: bytes(options.user.id) };
      const publicKey = { ...options, user, excludeCredentials: known(options.excludeCredentials) };
      const made = await navigator.credentials.create({ publicKey });
      return [made, {
        attestationObject: websafe(made.response.attestationObject),
        transports: made.response.getTransports?.() ?? [],
      }];
    },

    async get(options) {
      const publicKey = { ...options, allowCredentials: known(options.allowCredentials) };
      const used = await navigator.credentials.get({ publicKey });
      return [used, {
        authenticatorData: websafe(used.response.authenticatorData),
        signature: websafe(used.response.signature),
        userHandle: used.response.userHandle && websafe(used.response.userHandle),
      }];
    },
  };

  const answer = async (form) => {
    const given = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!given.ok) throw new Error(`The site answered ${given.status}.`);
    const options = await given.json();
    const [credential, response] = await ask[form.dataset.passkey]({ ...options, challenge: bytes(options.challenge) });
    const clientDataJSON = websafe(credential.response.clientDataJSON);
    const id = websafe(credential.rawId);
    return JSON.stringify({ id, rawId: id, type: credential.type, response: { clientDataJSON, ...response } });
  };

  const send = async (event) => {
    event.preventDefault();
    const form = event.target;
    const button = form.querySelector("button");
    const failed = form.querySelector("[data-passkey-failed]");
    failed.hidden = true;
    button.disabled = true;
    try {
      form.elements.namedItem("credential").value = await answer(form);
      form.submit();
    } catch {
      failed.setAttribute("role", "alert");
      failed.hidden = false;
      button.disabled = false;
      button.focus();
    }
  };

  if (!window.PublicKeyCredential) return;
  for (const instead of document.querySelectorAll("[data-passkey-instead]")) instead.hidden = true;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", send);
    form.hidden = false;
  }
})();
