// Cells that wait for their kernel.
//
// A cell that is run before its kernel is there is dropped by JupyterLab without a word, or it asks
// for a kernel although one is on its way. Here the cell waits, as those behind a busy one do.
// ref: @jupyterlab/notebook, runCell; @jupyterlab/cells, CodeCell.execute

/** @import { Load, RunCell, SessionContext } from "../../jupyterlab" */

const KERNEL_WAIT_MS = 60_000;
const KERNEL_LOOK_MS = 50;

/** @param {SessionContext} sessionContext */
async function lookForKernel(sessionContext) {
  const end = Date.now() + KERNEL_WAIT_MS;
  while (!sessionContext.isReady && !sessionContext.session?.kernel && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, KERNEL_LOOK_MS));
  }
}

/**
 * One for each notebook: its cells go on in the order they were run.
 * @type {WeakMap<SessionContext, Promise<void>>}
 */
const looking = new WeakMap();

/** @param {SessionContext} sessionContext */
function waitForKernel(sessionContext) {
  const underWay = looking.get(sessionContext);
  if (underWay) return underWay;
  const look = lookForKernel(sessionContext).finally(() => looking.delete(sessionContext));
  looking.set(sessionContext, look);
  return look;
}

/** @param {Load} load */
export async function makeCellExecutor(load) {
  const notebook = await load("@jupyterlab/notebook");
  /** @param {RunCell} options */
  async function runCell(options) {
    const { cell, sessionContext } = options;
    if (cell.model.type === "code" && sessionContext && !sessionContext.session?.kernel) {
      cell.setPrompt("*");
      await waitForKernel(sessionContext);
      if (cell.isDisposed) return true; // it stood for the notebook until that was loaded
      cell.setPrompt("");
    }
    return notebook.runCell(options);
  }
  return {
    id: "vmlab-lab:cell-executor",
    description: "Runs a cell as soon as its kernel is there.",
    autoStart: true,
    provides: notebook.INotebookCellExecutor,
    activate: () => Object.freeze({ runCell }),
  };
}
