import { Body, Controller, Get, NotFoundException, Param, ParseUUIDPipe, Post, UseGuards } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type Caller, CurrentCaller, JwtAuthGuard, Public, Roles, SessionsService } from 'latchkey';
import { Repository } from 'typeorm';
import { CreateNoteDto } from './create-note.dto.js';
import { Note } from './note.entity.js';

@Controller('notes')
@UseGuards(JwtAuthGuard)
export class NotesController {
  constructor(
    @InjectRepository(Note) private readonly notes: Repository<Note>,
    private readonly sessions: SessionsService,
  ) {}

  @Get()
  list(@CurrentCaller() { userId }: Caller): Promise<Note[]> {
    return this.notes.findBy({ userId });
  }

  @Post()
  create(@CurrentCaller() { userId }: Caller, @Body() { text }: CreateNoteDto): Promise<Note> {
    return this.notes.save({ userId, text });
  }

  @Get('devices')
  async devices(@CurrentCaller() caller: Caller): Promise<{ count: number }> {
    const { sessions } = await this.sessions.list(caller, { limit: 50 });
    return { count: sessions.length };
  }

  @Get('count')
  @Public()
  async count(): Promise<{ count: number }> {
    return { count: await this.notes.count() };
  }

  @Get('all')
  @Roles('admin')
  all(): Promise<Note[]> {
    return this.notes.find();
  }

  @Get(':id')
  async find(@CurrentCaller() { userId }: Caller, @Param('id', ParseUUIDPipe) id: string): Promise<Note> {
    const note = await this.notes.findOneBy({ id, userId });
    if (!note) throw new NotFoundException();
    return note;
  }
}
