import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../http/public.decorator.js';
import { Brand } from './brand.js';

// An SVG that is opened by its own address is a document: it may be styled, and runs nothing.
const LOGO_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

/** The colours and the logo, for the page and for the pages of mailed links. */
@ApiExcludeController()
@Public()
@Controller('page')
export class BrandController {
  constructor(private readonly brand: Brand) {}

  @Get('brand.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  style(): string {
    return this.brand.style;
  }

  @Get('logo')
  @Header('Content-Security-Policy', LOGO_CSP)
  logo(@Res({ passthrough: true }) reply: FastifyReply): Buffer | string {
    void reply.type(this.brand.logo.type);
    return this.brand.logo.content;
  }
}
