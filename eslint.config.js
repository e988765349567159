// Rules for our scripts, beside what the type checker finds (tsconfig.json, tsconfig.node.json).
// ref: https://eslint.org/docs/latest/rules/

import js from "@eslint/js";

// Names that a browser has of its own: a forgotten import of one of ours would be taken for them, by the
// type checker as well.
const BROWSERS_OWN = ["close", "event", "find", "focus", "length", "location", "name", "open", "origin"];
BROWSERS_OWN.push("parent", "print", "scroll", "self", "status", "stop", "top");

export default [
  { ignores: ["**/node_modules/", ".venv/", "artifacts/", "build/", "tests/browser/hostile/"] }, // an attack's
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-undef": "off", // the type checker knows what is there
      "no-restricted-globals": ["error", ...BROWSERS_OWN],
      // Mistakes that run all the same.
      "array-callback-return": "error",
      "consistent-return": "error",
      "default-case-last": "error",
      "eqeqeq": "error",
      "no-await-in-loop": "off", // what waits between two looks is meant to
      "no-constructor-return": "error",
      "no-implicit-coercion": "error",
      "no-self-compare": "error",
      "no-shadow": "error",
      "no-template-curly-in-string": "error",
      "no-throw-literal": "error",
      "no-unmodified-loop-condition": "error",
      "no-unreachable-loop": "error",
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "no-unused-expressions": ["error", { allowShortCircuit: true }],
      "no-useless-assignment": "error",
      "no-var": "error",
      "prefer-const": "error",
      "require-atomic-updates": "error",
      // Names of users and courses are never read as HTML or as a program.
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-script-url": "error",
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML", "setHTMLUnsafe"].map((property) => ({ property })),
        { object: "document", property: "write" },
      ],
    },
  },
  // JupyterLab loads a container as a classic script, and a hub's page its language before all else; the
  // cover's script is a part of its page.
  {
    files: ["**/remoteEntry.js", "**/static/language.js", "**/vmlab_guest/cover.js"],
    languageOptions: { sourceType: "script" },
  },
  { files: ["images/guest/labextension/static/language.js"], languageOptions: { sourceType: "module" } },
  // Bytes that no header may hold are what it looks for.
  { files: ["spawner/**/*.mjs"], rules: { "no-control-regex": "off" } },
];
