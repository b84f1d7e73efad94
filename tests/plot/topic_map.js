// Runs the script of a page from topics_html on a small stand-in for a browser's document, then expressions on it.
// node topic_map.js PAGE < EXPRESSIONS (a JSON list of strings) > VALUES (a JSON list)
"use strict";
const fs = require("fs");
const vm = require("vm");

class Node {
  constructor(tag, namespace) {
    Object.assign(this, {tag, namespaceURI: namespace, attributes: {}, children: [], listeners: {}, style: {}});
    Object.assign(this, {text: "", hidden: false, value: ""});
  }
  get textContent() { return this.text + this.children.map(child => child.textContent).join(""); }
  set textContent(text) { this.text = String(text); this.children = []; }
  set innerHTML(text) { throw new Error("markup from data: " + text); }
  append(...nodes) { this.children.push(...nodes); }
  replaceChildren(...nodes) { this.text = ""; this.children = nodes; }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  getAttribute(name) { return name in this.attributes ? this.attributes[name] : null; }
  removeAttribute(name) { delete this.attributes[name]; }
  addEventListener(type, listener) { (this.listeners[type] = this.listeners[type] || []).push(listener); }
  fire(type, event = {}) {
    const full = {type, target: this, preventDefault: () => { full.prevented = true; }, ...event};
    for (const listener of this.listeners[type] || []) listener(full);
    return Boolean(full.prevented);
  }
}

const page = fs.readFileSync(process.argv[2], "utf8");
const byId = {};
for (const [, tag, id] of page.matchAll(/<(\w+)[^>]*? id="([^"]+)"/g)) {
  byId[id] = new Node(tag, tag === "svg" ? "svg" : "html");
}
const scripts = [...page.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map(match => match[1]);
byId.data.textContent = scripts[0];
const address = {hash: ""};
const context = vm.createContext({
  document: {
    getElementById: id => byId[id],
    createElement: tag => new Node(tag, "html"),
    createElementNS: (namespace, tag) => new Node(tag, namespace),
  },
  window: new Node("window"),
  location: address,
  history: {replaceState: (state, title, hash) => { address.hash = hash; }},
});
vm.runInContext(scripts[1], context);
const expressions = JSON.parse(fs.readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(expressions.map(one => vm.runInContext(one, context))));
