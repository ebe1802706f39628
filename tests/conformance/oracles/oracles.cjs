// Two engines that are not ours, kept running: LHC-Forms (npm lforms, in jsdom) and fhirpath.js (npm fhirpath).
//
// Standard input: one request a line. Standard output: {"ready": versions}, then one line per request.
//   {"engine": "lforms", "questionnaire": Questionnaire, "answers": [{linkId: value[x]}, …], "fresh": …, "extract": …}
//     → {"results": [{"response": QuestionnaireResponse, "observations": [Observation, …]}, …], "microseconds": n}
//     without extract the scores are calculated only, and each result is null
//   {"engine": "fhirpath", "questionnaire": Questionnaire, "expressions": {name: FHIRPath}, "responses": [response, …]}
//     → {"results": [{name: [value, …]}, …], "microseconds": n}
// A request that fails gives {"error": text}. `microseconds` is the processor time of the engine, for the whole request.
'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');
const { createRequire } = require('module');

// The packages lie in node/node_modules beside this folder, unless the first argument names another place.
const modules = path.resolve(process.argv[2] || path.join(__dirname, '..', 'node', 'node_modules'));
const requirePackage = createRequire(path.join(modules, 'index.js'));
const { JSDOM, VirtualConsole } = requirePackage('jsdom');
const fhirpath = requirePackage('fhirpath');
const r4 = requirePackage('fhirpath/fhir-context/r4');

// Standard output is the protocol's.
console.log = console.error;

function loadLForms() {
  const { window } = new JSDOM('<!doctype html><body></body>', {
    runScripts: 'dangerously',
    pretendToBeVisual: true,
    virtualConsole: new VirtualConsole(),
    url: 'http://localhost/',
  });
  // What a browser has and jsdom lacks.
  window.matchMedia = () => ({
    matches: false, addListener() {}, removeListener() {}, addEventListener() {}, removeEventListener() {},
  });
  window.ResizeObserver = class { observe() {} unobserve() {} disconnect() {} };
  window.structuredClone = structuredClone;
  window.fetch = () => Promise.reject(new Error('no network'));
  const folder = path.join(modules, 'lforms', 'dist', 'lforms');
  const scripts = ['assets/lib/zone.min.js', 'runtime.js', 'polyfills.js', 'main.js'].map((name) => `webcomponent/${name}`);
  for (const script of [...scripts, 'fhir/R4/lformsFHIR.min.js']) {
    window.eval(fs.readFileSync(path.join(folder, script), 'utf8'));
  }
  return window.LForms;
}

async function openForm(LForms, questionnaire) {
  const form = new LForms.LFormsData(LForms.Util.convertFHIRQuestionnaireToLForms(questionnaire, 'R4'));
  await form.loadFHIRResources(false);
  return form;
}

function choose(item, { system, code }) {
  const chosen = item.answers.find((option) => option.code === code && option.system === system);
  if (!chosen) throw new Error(`${item.linkId} has no such answer`);
  return chosen;
}

// Item values are set as the page's widgets set them. A merged response would mark the score as edited by a person, and
// it would never be computed.
async function fillIn(LForms, form, answers, extract = true) {
  for (const item of form.itemList) {
    const { valueCoding, valueInteger } = answers[item.linkId] || {};
    if (!item._readOnly && item.dataType !== 'TITLE') item.value = valueCoding ? choose(item, valueCoding) : valueInteger;
  }
  form._checkFormControls();
  await form._expressionProcessor.runCalculations(false);
  form._checkFormControls();
  if (!extract) return null;
  const options = { extract, subject: { resourceType: 'Patient', id: '1' } };
  const [response, bundle] = LForms.Util.getFormFHIRData('QuestionnaireResponse', 'R4', form, options);
  return { response, observations: ((bundle && bundle.entry) || []).map((entry) => entry.resource) };
}

function passed(start) {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

async function askLForms(LForms, { questionnaire, answers, fresh, extract }) {
  let form = await openForm(LForms, questionnaire);
  // The engine copies the Questionnaire at the first calculation; that is no part of filling it in.
  await fillIn(LForms, form, {});
  const results = [];
  const start = process.cpuUsage();
  for (const set of answers) {
    if (fresh) form = await openForm(LForms, questionnaire);
    results.push(await fillIn(LForms, form, set, extract));
  }
  return { results, microseconds: passed(start) };
}

function askFhirpath({ questionnaire, expressions, responses }) {
  const compiled = Object.entries(expressions).map(([name, text]) => [name, fhirpath.compile(text, r4)]);
  const results = [];
  const start = process.cpuUsage();
  for (const resource of responses) {
    const variables = { resource, questionnaire };
    results.push(Object.fromEntries(compiled.map(([name, evaluate]) => [name, evaluate(resource, variables)])));
  }
  return { results, microseconds: passed(start) };
}

async function main() {
  const LForms = loadLForms();
  const engines = { lforms: (request) => askLForms(LForms, request), fhirpath: askFhirpath };
  const ready = { lforms: LForms.lformsVersion, fhirpath: requirePackage('fhirpath/package.json').version };
  process.stdout.write(`${JSON.stringify({ ready })}\n`);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      const request = JSON.parse(line);
      answer = await engines[request.engine](request);
    } catch (error) {
      answer = { error: String((error && error.stack) || error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

// The engine settles its first tasks after loading.
setTimeout(main, 50);
