// element returns a new element. Texts are set as text, never as HTML.
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) {
      made.addEventListener(key.slice(2), value);
    } else if (value !== undefined) {
      made.setAttribute(key, value);
    }
  }
  made.append(...children.filter((child) => child !== undefined && child !== ""));
  return made;
}

function count(n) {
  return n.toLocaleString("en");
}

function plural(n, noun) {
  return count(n) + " " + noun + (n === 1 ? "" : "s");
}

function badge(outcome) {
  return element("span", {class: "badge " + outcome}, outcome);
}

function subjectOf(finding) {
  const muted = (text) => element("span", {class: "muted"}, text);
  return [
    finding.kind + " " + (finding.namespace && finding.namespace + "/"), element("wbr", {}), finding.name,
    finding.cluster && muted(" in " + finding.cluster), finding.owner && muted(" owner " + finding.owner),
    finding.container && muted(" container " + finding.container),
  ];
}

// findingRow returns the row of a finding. Its button unfolds the details.
function findingRow(finding, isOpen, onToggle) {
  const cell = (...children) => element("td", {role: "cell"}, ...children);
  const button = element("button", {
    type: "button", class: "open", "aria-expanded": String(isOpen), "aria-label": finding.policy + ", " + finding.subject, onclick: () => onToggle(finding),
  }, finding.policy);
  return element("tr", {role: "row", class: "finding", id: "row-" + finding.id},
    cell(badge(finding.outcome), ...(finding.change === "new" ? [" ", badge("new")] : [])), cell(finding.severity), cell(button), cell(...subjectOf(finding)),
    cell(finding.message, finding.path && " ", finding.path && element("code", {}, finding.path)));
}

// detailRow returns the row with what the row of a finding leaves out.
function detailRow(finding, link) {
  const list = element("dl", {});
  const add = (label, ...content) => {
    if (content[0]) {
      list.append(element("div", {}, element("dt", {}, label), element("dd", {}, ...content)));
    }
  };
  const code = (text) => text && element("code", {}, text);
  add("Fix", finding.remediation);
  add("Guardrail", finding.guardrails && finding.guardrails + " (mode " + finding.mode + ")");
  add("Why " + finding.outcome, finding.reason);
  add("Patch", code(finding.fix));
  add("Identity", code(finding.key));
  add("File", code(finding.file));
  add("See it", code(finding.command), finding.command && " ", finding.command && copyButton(finding.command));
  add("Link", element("a", {href: link}, "to this finding"));
  return element("tr", {role: "row", class: "detail"}, element("td", {role: "cell", colspan: "5"}, list));
}

function copyButton(text) {
  const button = element("button", {
    type: "button", class: "copy", onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.previousElementSibling);
        button.textContent = "Selected";
      }
    },
  }, "Copy");
  return button;
}

// groupRow returns the heading of a group. Its button unfolds the findings.
function groupRow(group, isOpen, onToggle) {
  const counts = new Map();
  for (const {outcome} of group.findings) {
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  const badges = [...counts].map(([outcome, n]) => element("span", {class: "badge " + outcome}, count(n) + " " + outcome));
  const button = element("button", {type: "button", class: "open", "aria-expanded": String(isOpen), onclick: () => onToggle(group.value)},
    group.value || "(none)");
  return element("tr", {role: "row", class: "group", "data-group": group.value},
    element("th", {role: "rowheader", scope: "rowgroup", colspan: "5"}, button, " ", ...badges.flatMap((one) => [one, " "])));
}
