const pageSize = 100;
// A page that is printed has no controls, so it contains the findings of all pages, up to this number.
const printedMost = 1000;

const findings = readFindings();
const table = document.getElementById("findings");
const body = table.tBodies[0];
const form = document.getElementById("filters");
const pages = document.getElementById("pages");
const status = document.getElementById("status");

// Groups that the reader has unfolded or folded. A group that is not in it is folded, unless there are few findings.
const unfolded = new Map();
let state = readState();
let shown = [];

function distinct(key) {
  return grouped(findings, key).sort((a, b) => a.value < b.value ? -1 : 1);
}

const labels = {
  outcome: "Outcome", severity: "Severity", policy: "Policy", namespace: "Namespace", kind: "Kind", mode: "Mode", guardrails: "Guardrail", owner: "Owner",
  cluster: "Cluster", change: "Change",
};

// addFilters adds a filter for everything that differs between findings.
function addFilters() {
  for (const key of filterKeys) {
    const values = distinct(key);
    if (values.length < 2) {
      continue;
    }
    const select = element("select", {name: key}, element("option", {value: "all"}, "all"));
    for (const {value, findings} of values) {
      select.append(element("option", {value: "=" + value}, (value || "(none)") + " (" + count(findings.length) + ")"));
    }
    form.group.parentElement.before(element("label", {}, labels[key] + " ", select));
    if (["policy", "namespace", "owner", "cluster", "kind", "change"].includes(key)) {
      form.group.append(element("option", {value: key}, labels[key].toLowerCase()));
    }
  }
}

// fillForm makes the form show the state, including a filter for a value that no finding has.
function fillForm() {
  form.q.value = state.q ?? "";
  form.group.value = state.group ?? "";
  for (const key of filterKeys) {
    const select = form.elements[key];
    if (!select) {
      continue;
    }
    const value = state[key] === undefined ? "all" : "=" + state[key];
    select.value = value;
    if (select.selectedIndex < 0) {
      select.append(element("option", {value}, state[key] + " (0)"));
      select.value = value;
    }
  }
}

function change(changes, replace) {
  state = {...state, page: undefined, finding: undefined, ...changes};
  writeState(state, replace);
  render();
}

function groupKey() {
  return filterKeys.includes(state.group) ? state.group : "";
}

function isUnfolded(value) {
  return unfolded.get(groupKey() + "=" + value) ?? shown.length <= pageSize;
}

function toggleGroup(value) {
  unfolded.set(groupKey() + "=" + value, !isUnfolded(value));
  render();
  groupButton(value)?.focus();
}

function groupButton(value) {
  return [...body.querySelectorAll("tr.group")].find((row) => row.dataset.group === value)?.querySelector("button");
}

function findingButton(id) {
  return document.getElementById("row-" + id)?.querySelector("button");
}

// focusKeeper returns a function that moves the focus back to where it is now, after the rows have been replaced. The row
// of the details is that of their finding. If the row is gone, the table gets the focus, so that Tab goes on from there.
function focusKeeper() {
  const focused = document.activeElement;
  if (!body.contains(focused) && !pages.contains(focused)) {
    return () => {};
  }
  const row = focused.closest("tr");
  const {id} = (row?.classList.contains("detail") ? row.previousElementSibling : row) ?? {};
  return () => {
    const button = row?.classList.contains("group") ? groupButton(row.dataset.group) : id && findingButton(id.replace(/^row-/, ""));
    (button ?? table).focus({preventScroll: true});
  };
}

// selected names the filters that are set.
function selected() {
  const filters = filterKeys.filter((key) => state[key] !== undefined).map((key) => labels[key].toLowerCase() + " " + (state[key] || "(none)"));
  return (state.q ? ["search \"" + state.q + "\"", ...filters] : filters).join(", ");
}

function toggleFinding(finding) {
  state = {...state, finding: state.finding === finding.id ? undefined : finding.id};
  writeState(state, true);
  render();
  findingButton(finding.id)?.focus();
}

// linkTo returns the link to a finding that needs no filter.
function linkTo(finding) {
  return hashOf({finding: finding.id});
}

function render() {
  fillForm();
  shown = matching(findings, state);
  const linked = shown.find((finding) => finding.id === state.finding);
  if (linked && groupKey() && !isUnfolded(linked[groupKey()])) {
    unfolded.set(groupKey() + "=" + linked[groupKey()], true);
  }
  const lines = linesOf(shown, groupKey(), isUnfolded);
  const last = Math.max(1, Math.ceil(lines.length / pageSize));
  let page = Math.min(last, Math.max(1, Math.trunc(Number(state.page)) || 1));
  if (linked) {
    page = 1 + Math.floor(lines.findIndex((line) => line.finding === linked) / pageSize);
  }
  const restoreFocus = focusKeeper();
  fillTable(lines.slice((page - 1) * pageSize, page * pageSize), (finding) => finding.id === state.finding);
  fillPages(page, last);
  restoreFocus();
  status.textContent = shown.length === findings.length ? plural(findings.length, "finding") :
    shown.length === 0 ? "No finding matches." : count(shown.length) + " of " + plural(findings.length, "finding");
  for (const header of table.tHead.querySelectorAll("th")) {
    const {sort} = header.dataset;
    header.setAttribute("aria-sort", state.sort === sort ? "ascending" : state.sort === "-" + sort ? "descending" : "none");
  }
  return linked;
}

function fillTable(lines, isOpen) {
  body.replaceChildren(...lines.flatMap(({finding, group}) => {
    if (group) {
      return [groupRow(group, isUnfolded(group.value), toggleGroup)];
    }
    const row = findingRow(finding, isOpen(finding), toggleFinding);
    return isOpen(finding) ? [row, detailRow(finding, linkTo(finding))] : [row];
  }));
}

function fillPages(page, last) {
  pages.hidden = last === 1;
  const turn = (label, to) => {
    const attributes = {type: "button", onclick: () => turnTo(to)};
    return element("button", to < 1 || to > last ? {...attributes, disabled: ""} : attributes, label);
  };
  pages.replaceChildren(turn("Previous", page - 1), element("span", {}, "Page " + count(page) + " of " + count(last)), turn("Next", page + 1));
}

function turnTo(page) {
  change({page: page === 1 ? undefined : String(page)});
  table.focus({preventScroll: true});
  table.scrollIntoView();
}

// show renders the state of the URL, and moves to the finding that it links to.
function show() {
  state = readState();
  const linked = render();
  if (linked) {
    document.getElementById("row-" + linked.id).scrollIntoView({block: "center"});
    findingButton(linked.id).focus({preventScroll: true});
  }
}

function start() {
  addFilters();
  form.hidden = false;
  for (const header of table.tHead.querySelectorAll("th")) {
    const {sort} = header.dataset;
    const button = element("button", {
      type: "button", onclick: () => change({sort: state.sort === sort ? "-" + sort : state.sort === "-" + sort ? undefined : sort}),
    }, header.textContent);
    header.replaceChildren(button);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    state = {};
    change({});
  });
  form.q.addEventListener("input", () => change({q: form.q.value}, true));
  form.addEventListener("change", ({target}) => {
    if (target.name === "group") {
      change({group: target.value});
    } else if (filterKeys.includes(target.name)) {
      change({[target.name]: target.value === "all" ? undefined : target.value.slice(1)});
    }
  });
  // The link is for pages without a script: with one, the part after "#" is the state.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    table.focus();
  });
  for (const bar of document.querySelectorAll(".bars a")) {
    bar.addEventListener("click", (event) => {
      event.preventDefault();
      change({[bar.dataset.key]: bar.dataset.value});
      table.focus({preventScroll: true});
      document.getElementById("heading").scrollIntoView();
    });
  }
  addEventListener("hashchange", show);
  let restoreFocus = () => {};
  addEventListener("beforeprint", () => {
    restoreFocus = focusKeeper();
    const printed = shown.slice(0, printedMost);
    fillTable(printed.map((finding) => ({finding})), () => true);
    if (printed.length < shown.length) {
      status.textContent = "The first " + count(printed.length) + " of " + plural(shown.length, "finding");
    }
    // The form is not printed.
    if (selected()) {
      status.textContent += "; selected by " + selected();
    }
  });
  addEventListener("afterprint", () => {
    render();
    restoreFocus();
  });
  show();
}

start();
