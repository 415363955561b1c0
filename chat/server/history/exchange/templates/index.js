
"use strict";
// Searches all pages, the newest first: each is opened in a frame, and says what it has.
(() => {
  const MOST = 500, PATIENCE = 1000;
  const field = document.getElementById("words"), count = document.getElementById("count");
  const list = document.getElementById("found"), pages = document.querySelector(".pages");
  const files = [...pages.querySelectorAll("a")].map((link) => link.getAttribute("href")).reverse();
  const key = document.documentElement.dataset.key;
  let stop = () => {};

  // Resolves to what the page ``file`` has; to null if that is not wanted any more.
  const ask = (file, query) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    const end = (answer) => {
      removeEventListener("message", hear);
      frame.remove();
      resolve(answer);
    };
    const hear = (event) => {
      const said = event.data;
      if (event.source === frame.contentWindow && said && said.key === key && said.query === query) end(said);
    };
    stop = () => end(null);
    addEventListener("message", hear);
    // A page that is not there loads too, as a page of the browser that says so.
    frame.addEventListener("load", () => setTimeout(() => end({ total: 0, hits: [], missing: 1 }), PATIENCE));
    frame.name = key;
    frame.hidden = true;
    frame.src = file + "#q=" + encodeURIComponent(query);
    document.body.append(frame);
  });

  const row = (file, hit) => {
    const item = document.createElement("article"), link = document.createElement("a");
    const time = document.createElement("time"), name = document.createElement("b"), text = document.createElement("div");
    time.textContent = hit.time;
    link.href = file + "#" + hit.id;
    link.append(time);
    name.textContent = hit.name;
    text.textContent = hit.text;
    text.dir = "auto";
    item.append(link, name, text);
    return item;
  };

  const search = async (query) => {
    stop();
    list.replaceChildren();
    count.textContent = "";
    const searching = query.trim() !== "";
    pages.hidden = searching;
    if (!searching) return;
    let total = 0, missing = 0;
    for (const [index, file] of files.entries()) {
      count.textContent = total + " messages found, page " + (index + 1) + " of " + files.length;
      const answer = await ask(file, query);
      if (answer === null) return;
      total += answer.total;
      missing += answer.missing ?? 0;
      for (const hit of answer.hits.reverse()) if (list.childElementCount < MOST) list.append(row(file, hit));
      if (list.childElementCount >= MOST) break;
    }
    const isCut = list.childElementCount >= MOST;
    count.textContent = (isCut ? "the newest " + MOST + " messages are shown" : total + " messages found") +
      (missing ? "; pages that cannot be read: " + missing : "");
  };

  const follow = () => {
    let query = location.hash.startsWith("#q=") ? location.hash.slice(3) : "";
    try { query = decodeURIComponent(query); } catch { /* shown as it is */ }
    if (field.value !== query) field.value = query;
    search(query);
  };

  document.getElementById("search").hidden = false;
  let typed;
  field.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => location.replace("#q=" + encodeURIComponent(field.value)), 300);
  });
  addEventListener("hashchange", follow);
  if (location.hash) follow();
})();
