/** # Told: a gadget that says what a test tells it to, and keeps what it hears and sees. */
import type {
  Finality,
  FinalityEffect,
  FinalityInput,
  FinalityView,
} from '../../../src/consensus/finality/finality.ts';

export class Told implements Finality {
  /** Said at the next step. */
  says: FinalityEffect[] = [];
  readonly heard: FinalityInput[] = [];
  view: FinalityView | undefined;

  step(_now: number, input: FinalityInput, view: FinalityView): readonly FinalityEffect[] {
    this.heard.push(input);
    this.view = view;
    return this.says.splice(0);
  }

  wakeAt(): undefined {
    return undefined;
  }
}
