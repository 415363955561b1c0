
"use strict";
// Searches the messages of this page. In a frame of the index, which searches all pages, it answers the index.
(() => {
  // The index shows at most so many, and marks are drawn in at most so many.
  const MOST = 500, EXCERPT = 300;
  const field = document.getElementById("words"), count = document.getElementById("count");
  const messages = [...document.querySelectorAll("article")], days = [...document.querySelectorAll("section")];
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const nameOf = (message) => message.querySelector("b").textContent;
  const bodyOf = (message) => message.querySelector("div").textContent;
  const has = {
    file: (message) => message.dataset.kind === "file",
    image: (message) => message.dataset.kind === "image" || message.querySelector("img") !== null,
    voice: (message) => message.dataset.kind === "voice",
    link: (message) => message.querySelector("a[rel]") !== null,
  };
  const folded = new Map();
  const textOf = (message) => {
    if (!folded.has(message)) folded.set(message, fold(nameOf(message) + "\n" + bodyOf(message)));
    return folded.get(message);
  };

  // Returns the words to look for, and a function that tells whether a message is found. All words must be in it.
  const read = (query) => {
    const words = [], tests = [];
    for (const word of fold(query).split(/\s+/).filter((each) => each)) {
      const [, key, value] = /^(from|has):(.+)$/s.exec(word) ?? [];
      if (key === "from") tests.push((message) => fold(nameOf(message)) === value);
      else if (key === "has" && Object.hasOwn(has, value)) tests.push(has[value]);
      else words.push(word);
    }
    const matches = (message) =>
      tests.every((test) => test(message)) && words.every((word) => textOf(message).includes(word));
    return [words, matches];
  };

  const mark = (words, found) => {
    if (!window.Highlight || !CSS.highlights) return;
    const ranges = [];
    for (const message of found.slice(0, MOST)) {
      for (const part of [message.querySelector("b"), message.querySelector("div")]) {
        const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          const text = node.data.toLowerCase();
          // Where folding changes the length, places in the text are unknown.
          if (text.length !== node.data.length) continue;
          for (const word of words) {
            for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
              const range = new Range();
              range.setStart(node, at);
              range.setEnd(node, at + word.length);
              ranges.push(range);
            }
          }
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  };

  const show = (query) => {
    const [words, matches] = read(query);
    const found = messages.filter((message) => {
      message.hidden = !matches(message);
      return !message.hidden;
    });
    for (const day of days) day.hidden = day.querySelector("article:not([hidden])") === null;
    const searching = query.trim() !== "";
    document.body.classList.toggle("searching", searching);
    count.textContent = searching ? found.length + " of " + messages.length + " messages" : "";
    mark(words, found);
  };

  // The query is in the address, so that a link leads to what was found: #q=WORDS. Any other fragment is a message.
  const queryOf = (hash) => {
    if (!hash.startsWith("#q=")) return "";
    try { return decodeURIComponent(hash.slice(3)); } catch { return hash.slice(3); }
  };
  const follow = () => {
    const query = queryOf(location.hash);
    if (field.value !== query) field.value = query;
    show(query);
    const target = query ? null : document.getElementById(location.hash.slice(1));
    if (target) target.scrollIntoView({ block: "center" });
  };

  const answer = (key) => {
    const query = queryOf(location.hash), [, matches] = read(query);
    const found = messages.filter(matches);
    const hits = found.slice(-MOST).map((message) => ({
      id: message.id,
      time: message.querySelector("time").title,
      name: nameOf(message),
      text: bodyOf(message).slice(0, EXCERPT),
    }));
    parent.postMessage({ key, query, total: found.length, hits }, "*");
  };

  const key = document.documentElement.dataset.key;
  // Only the index knows the key. A page of somebody else that frames this one learns nothing.
  if (parent !== window) {
    if (key && window.name === key) answer(key);
    return;
  }
  document.getElementById("search").hidden = false;
  let typed;
  field.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => location.replace("#q=" + encodeURIComponent(field.value)), 150);
  });
  addEventListener("hashchange", follow);
  if (location.hash) follow();
})();
