// The state is what the URL holds after "#": search, filters, order, group, page, and the finding that is open.
// Keys that are empty are left out.
const filterKeys = ["outcome", "severity", "policy", "namespace", "kind", "mode", "guardrails", "owner", "cluster", "change"];
const stateKeys = ["q", ...filterKeys, "group", "sort", "page", "finding"];

function readState() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const state = {};
  for (const key of stateKeys) {
    if (parameters.has(key)) {
      state[key] = parameters.get(key);
    }
  }
  return state;
}

function hashOf(state) {
  const parameters = new URLSearchParams();
  for (const key of stateKeys) {
    // A filter for the empty value, such as findings without a namespace, is kept.
    if (state[key] !== undefined && (state[key] !== "" || filterKeys.includes(key))) {
      parameters.set(key, state[key]);
    }
  }
  return "#" + parameters;
}

// writeState changes the URL, as a new entry of the history unless it replaces the current one.
function writeState(state, replace) {
  const hash = hashOf(state);
  if (hash === location.hash || hash === "#" && !location.hash) {
    return;
  }
  if (replace) {
    history.replaceState(null, "", hash);
  } else {
    history.pushState(null, "", hash);
  }
}
