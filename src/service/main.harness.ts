import { faultyStore } from '../store/faulty';
import { serveAs } from './serve';

void serveAs(faultyStore);
