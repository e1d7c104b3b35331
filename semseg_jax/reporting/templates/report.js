// Flips the images of a page through their views; without it all are listed.
"use strict";

const VIEWS = {
  image: ["base"], truth: ["truth"], prediction: ["label"],
  overlay: ["base", "label"], errors: ["base", "wrong"],
  reconstruction: ["reconstruction"],
};

function viewer(root) {
  const chosen = { view: "overlay", which: "first", method: "" };
  const select = root.querySelector("select");
  const cases = [...root.querySelectorAll(".case")];
  root.classList.add("live");

  function show(stack, view) {
    stack.className = stack.className.replace(/ (overlay|errors)\b/g, "");
    if (view === "overlay" || view === "errors") stack.classList.add(view);
    stack.dataset.view = view;
    let any = false;
    for (const image of stack.querySelectorAll("img")) {
      const own = !image.dataset.method ||
          image.dataset.method === chosen.method;
      const shown = own && VIEWS[view].includes(image.dataset.kind);
      image.classList.toggle("shown", shown);
      any ||= shown;
    }
    stack.classList.toggle("none", !any);
  }

  function update() {
    chosen.method = select.value;
    root.dataset.view = chosen.view;
    for (const one of cases) {
      const why = chosen.which === "first" ? "first"
        : `${chosen.which}:${chosen.method}`;
      one.hidden = !JSON.parse(one.dataset.reasons).includes(why);
      show(one.querySelector(".stack"), chosen.view);
      for (const text of one.querySelectorAll("[data-of]"))
        text.hidden = text.dataset.of !== chosen.method;
      // The worst first, or the best.
      const quality = [...one.querySelectorAll("[data-of]")].find(
          (text) => text.dataset.of === chosen.method)?.dataset.quality;
      const sign = { first: 0, worst: 1, best: -1 }[chosen.which];
      one.style.order = Math.round(sign * 1e4 * (quality || 0));
    }
    for (const button of root.querySelectorAll("button[data-set]"))
      button.setAttribute(
          "aria-pressed", chosen[button.dataset.set] === button.value);
    // What this method does not have cannot be looked at.
    const views = viewsOf();
    for (const button of root.querySelectorAll("button[data-set=view]"))
      button.hidden = !views.includes(button.value);
    if (!views.includes(chosen.view)) { chosen.view = "overlay"; update(); }
  }

  function viewsOf() {
    return Object.keys(VIEWS).filter((view) => VIEWS[view].every((kind) =>
      root.querySelector(`img[data-kind="${kind}"]:not([data-method])`) ||
      [...root.querySelectorAll(`img[data-kind="${kind}"]`)].some(
          (image) => image.dataset.method === chosen.method)));
  }

  for (const button of root.querySelectorAll("button[data-set]"))
    button.addEventListener("click", () => {
      chosen[button.dataset.set] = button.value;
      update();
    });
  select.addEventListener("change", update);
  for (const one of cases) {
    const stack = one.querySelector(".stack");
    const flip = (by) => {
      const views = viewsOf();
      const at = views.indexOf(stack.dataset.view);
      show(stack, views[(at + by + views.length) % views.length]);
    };
    stack.addEventListener("click", () => flip(1));
    stack.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (by) { flip(by); event.preventDefault(); }
    });
  }
  update();
}

function steps(root) {
  const images = [...root.querySelectorAll("img")];
  const buttons = [...root.querySelectorAll("button")];
  const show = (shown) => {
    images.forEach((image, i) => { image.hidden = i !== shown; });
    buttons.forEach((b, i) => b.setAttribute("aria-pressed", i === shown));
  };
  buttons.forEach((b, i) => b.addEventListener("click", () => show(i)));
  show(images.length - 1);
}

document.querySelectorAll(".viewer").forEach(viewer);
document.querySelectorAll(".steps").forEach(steps);
