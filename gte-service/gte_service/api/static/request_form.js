// The request of the chosen task, as a form or as JSON. Typed text stays when another task is chosen.
import { element } from "./elements.js";
import { say } from "./words.js";
import { shapesOf } from "./request_shapes.js";

const byId = (id) => document.getElementById(id);

/** The form; `changed()` is called after every edit. */
export function createRequestForm(changed) {
  const kept = new Map();
  let now = null;

  function fresh(task) {
    const shapes = shapesOf(task);
    const state = { task, shapes, shape: shapes[0], values: {}, json: null };
    if (!fill(state, task.example)) state.json = JSON.stringify(task.example, null, 2);
    return state;
  }

  function fill(state, body) {
    if (typeof body !== "object" || body === null || body.task_type !== state.task.name) return false;
    for (const shape of state.shapes) {
      const values = shape.read(body);
      if (values) {
        Object.assign(state, { shape, values, json: null });
        return true;
      }
    }
    return false;
  }

  function draw() {
    byId("as-form").setAttribute("aria-pressed", String(now.json === null));
    byId("as-json").setAttribute("aria-pressed", String(now.json !== null));
    byId("form-note").textContent = "";
    byId("fields").replaceChildren(...(now.json === null ? formFields() : [jsonField()]));
  }

  function formFields() {
    const switches = now.shapes.length > 1 ? [shapeSwitch()] : [];
    return [
      ...switches,
      ...now.shape.fields.map((field) => {
        const rows = field.kind === "lines" ? (field.name === "input_text" ? 3 : 4) : field.name === "question" ? 2 : 5;
        const area = element("textarea", {
          id: `field-${field.name}`,
          "data-field": field.of || field.name,
          rows: Math.max(2, rows - (now.shape.fields.length > 2 ? 1 : 0)),
          spellcheck: "false",
          "aria-describedby": field.hint && `hint-${field.name}`,
        });
        area.value = now.values[field.name] || "";
        area.addEventListener("input", () => {
          now.values[field.name] = area.value;
          area.removeAttribute("aria-invalid");
          changed();
        });
        return element(
          "div",
          { class: "field" },
          element("label", { for: area.id }, field.label, " ", !field.of && element("code", {}, field.name)),
          area,
          field.hint && element("p", { class: "hint", id: `hint-${field.name}` }, field.hint),
        );
      }),
    ];
  }

  function shapeSwitch() {
    return element(
      "fieldset",
      { class: "shapes" },
      element("legend", { class: "unseen" }, say("Comparison", "比较方式")),
      now.shapes.map((shape) => {
        const radio = element("input", {
          type: "radio",
          name: "shape",
          value: shape.name,
          checked: shape === now.shape,
        });
        radio.addEventListener("change", () => {
          now.shape = shape;
          draw();
          document.querySelector(`input[name="shape"][value="${shape.name}"]`).focus();
          changed();
        });
        return element("label", {}, radio, " ", shape.title);
      }),
    );
  }

  function jsonField() {
    const area = element("textarea", { id: "field-json", rows: 10, spellcheck: "false", class: "code" });
    area.value = now.json;
    area.addEventListener("input", () => {
      now.json = area.value;
      changed();
    });
    return element(
      "div",
      { class: "field" },
      element("label", { for: area.id }, say("Request body", "请求体"), " ", element("code", {}, "JSON")),
      area,
    );
  }

  byId("as-json").addEventListener("click", () => {
    if (now.json === null) {
      now.json = JSON.stringify(now.shape.write(now.values), null, 2);
      draw();
      changed();
    }
  });
  byId("as-form").addEventListener("click", () => {
    if (now.json === null) return;
    let body = null;
    try {
      body = JSON.parse(now.json);
    } catch {
      // Reported below, like JSON that doesn't fit this form.
    }
    if (fill(now, body)) {
      draw();
      changed();
    } else {
      byId("form-note").textContent = say(
        "The form can't show this request; it stays as JSON.",
        "表单无法表示这个请求，请继续以 JSON 编辑。",
      );
    }
  });
  byId("reset").addEventListener("click", () => {
    now = fresh(now.task);
    kept.set(now.task.name, now);
    draw();
    changed();
  });

  return {
    /** Show the request of a task. */
    choose(task) {
      if (!kept.has(task.name)) kept.set(task.name, fresh(task));
      now = kept.get(task.name);
      draw();
    },
    /** The body to send: valid JSON, unless the typed text is not. */
    body() {
      return now.json === null ? JSON.stringify(now.shape.write(now.values)) : now.json;
    },
    /** Mark the input of the field that the API's error names. */
    markWrong(field) {
      const name = String(field || "").replace(/[[.].*$/, "");
      for (const area of document.querySelectorAll("[data-field]")) {
        if (area.dataset.field === name) area.setAttribute("aria-invalid", "true");
        else area.removeAttribute("aria-invalid");
      }
    },
  };
}
